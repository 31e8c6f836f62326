-- Returns records that have been due for longer than a period: their message must have got lost.
-- Their time in `due` is set to now, so that each is returned once per period.
-- ARGV: period in microseconds, most records.
allow_when_full()
local time = now()
local records = redis.call('ZRANGEBYSCORE', P .. ':due', '-inf', as_text(time - ARGV[1]),
  'LIMIT', 0, ARGV[2])
for _, record in ipairs(records) do
  redis.call('ZADD', P .. ':due', as_text(time), record)
end
return records
