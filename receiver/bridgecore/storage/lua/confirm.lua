-- Odoo has been told the outcome of these events; from now on they may be forgotten some day.
-- The lease is given back in the same step if nothing is left to tell.
-- An event that was queued again meanwhile, or has a new outcome, is left as it is.
-- ARGV: token, content and memory retention in milliseconds, then key and place of each report.
-- Returns how many are left; -1 if the lease is lost.
local token, content, memory = ARGV[1], ARGV[2], ARGV[3]
if redis.call('GET', P .. ':lease:reports') ~= token then
  return -1
end
local time = now()
for i = 4, #ARGV, 2 do
  local key = ARGV[i]
  local place = redis.call('ZSCORE', P .. ':reports', key)
  if place and tonumber(place) == tonumber(ARGV[i + 1]) then
    local event = P .. ':event:' .. key
    local state = redis.call('HGET', event, 'state')
    if state == 'done' then
      redis.call('HSET', event, 'confirmed_at', stamp(time), 'state', 'confirmed')
    elseif state then
      redis.call('HSET', event, 'confirmed_at', stamp(time))
    end
    if state and state ~= 'dead' then
      keep(key, time + i, content, memory)  -- apart, so that the oldest are known
    end
    redis.call('ZREM', P .. ':reports', key)
  end
end
local left = redis.call('ZCARD', P .. ':reports')
if left == 0 then
  redis.call('DEL', P .. ':lease:reports')
end
return left
