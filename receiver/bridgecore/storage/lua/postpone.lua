-- Gives a taken record back after a failed attempt; its events wait until it is due again.
-- ARGV: record, token, key, delay in microseconds, error.
local record, token, key, delay, err = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if redis.call('GET', P .. ':lease:' .. record) ~= token then
  return 0
end
redis.call('HSET', P .. ':event:' .. key, 'error', err)
redis.call('ZADD', P .. ':due', stamp(now() + delay), record)
redis.call('DEL', P .. ':lease:' .. record)
return 1
