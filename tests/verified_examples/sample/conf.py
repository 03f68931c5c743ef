"""A manual that knows nothing of what the package is about that has its extension."""

project = "A sample"

extensions = ["qemu_pr.verified_examples"]
verify_results = "build/verify/results.json"
