from . import webhook_erasure, webhook_key
