	args = append(args, "-object", "pr-manager-helper,id=h,path="+socket)
