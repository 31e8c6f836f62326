from . import webhook_erasure
