-- Records that have been due for long, so that their message must have been lost; they are
-- due anew, so that each is named once per period. ARGV: period in microseconds, most records.
local time = now()
local records = redis.call('ZRANGEBYSCORE', P .. ':due', '-inf', stamp(time - ARGV[1]),
  'LIMIT', 0, ARGV[2])
for _, record in ipairs(records) do
  redis.call('ZADD', P .. ':due', stamp(time), record)
end
return records
