resource "libvirt_domain" "node" {
  name = "node-${count.index}"
  xml {
    xslt = <<EOF
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/domain/devices/disk[target/@dev='sdb']/source">
    <source dev="${var.disk}">
      <reservations managed="yes"/>
    </source>
  </xsl:template>
  <xsl:template match="/domain/devices/disk[target/@dev='sdb']/@device">
    <xsl:attribute name="device">lun</xsl:attribute>
  </xsl:template>
</xsl:stylesheet>
EOF
  }
}
resource "proxmox_virtual_environment_vm" "node" {
  kvm_arguments = "-object pr-manager-helper,id=pr0,path=/run/qemu-pr-helper.sock -drive file=${var.disk},if=none,id=d0,format=raw,file.locking=off,file.pr-manager=pr0 -device virtio-scsi-pci,id=s0 -device scsi-block,bus=s0.0,drive=d0"
}
