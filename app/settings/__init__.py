"""模型与密钥: settings of the image services, of OSS, access and notifications; backups."""
