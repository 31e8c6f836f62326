-- a copy of a database must not push to the endpoints of the original
UPDATE webhook_subscriber
   SET state = 'disabled';
