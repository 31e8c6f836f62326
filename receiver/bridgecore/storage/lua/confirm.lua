-- Odoo has been told the outcome of these events; from now on they may be forgotten some day.
-- The lease is given back in the same step if nothing is left to tell.
-- An event that was queued again meanwhile, or has a new outcome, is left as it is.
-- ARGV: token, then key and place of each report. Returns how many are left; -1 if the lease is
-- lost.
if redis.call('GET', P .. ':lease:reports') ~= ARGV[1] then
  return -1
end
local time = now()
local confirmed_at = stamp(time)
local told, finished = {}, {}
for i = 2, #ARGV, 2 do
  local key = ARGV[i]
  local place = redis.call('ZSCORE', P .. ':reports', key)
  if place and tonumber(place) == tonumber(ARGV[i + 1]) then
    local event = P .. ':event:' .. key
    local state = redis.call('HGET', event, 'state')
    if state == 'done' then
      redis.call('HSET', event, 'confirmed_at', confirmed_at, 'state', 'confirmed')
    elseif state then
      redis.call('HSET', event, 'confirmed_at', confirmed_at)
    end
    if state and state ~= 'dead' then
      finished[#finished + 1] = key
    end
    told[#told + 1] = key
  end
end
in_parts(told, 'ZREM', P .. ':reports')
keep(finished, time)
local left = redis.call('ZCARD', P .. ':reports')
if left == 0 then
  redis.call('DEL', P .. ':lease:reports')
end
return left
