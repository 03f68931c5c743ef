export default {
  generateXmlLunConfig (hostDeviceName) {
    return `
      <disk type='block' device='lun'>
        <driver name='qemu' type='raw'/>
        <source dev='${hostDeviceName}'>
          <reservations managed='yes'/>
        </source>
        <target dev='${targetDev}' bus='scsi'/>
      </disk>
    `.trim()
  },
}
