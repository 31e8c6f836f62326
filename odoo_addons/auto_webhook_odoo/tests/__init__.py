from . import (
    test_backoff,
    test_capture,
    test_config,
    test_delivery,
    test_event,
    test_feed,
    test_feed_http,
    test_mixin,
    test_security,
    test_signature,
)
