-- Odoo has been told the outcome of these events; from now on they may be forgotten some day.
-- The lease is given back in the same step if nothing is left to tell.
-- ARGV: token, content and memory retention in milliseconds, then keys.
-- Returns how many are left; -1 if the lease is lost.
local token, content, memory = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', P .. ':lease:reports') ~= token then
  return -1
end
local time = stamp(now())
for i = 4, #ARGV do
  local key = ARGV[i]
  local state = redis.call('HGET', P .. ':event:' .. key, 'state')
  if state then
    redis.call('HSET', P .. ':event:' .. key, 'confirmed_at', time)
  end
  if state == 'done' or state == 'confirmed' then
    redis.call('HSET', P .. ':event:' .. key, 'state', 'confirmed')
    redis.call('PEXPIRE', P .. ':event:' .. key, memory)
    redis.call('PEXPIRE', P .. ':body:' .. key, content)
  end
  redis.call('ZREM', P .. ':reports', key)
end
local left = redis.call('ZCARD', P .. ':reports')
if left == 0 then
  redis.call('DEL', P .. ':lease:reports')
end
return left
