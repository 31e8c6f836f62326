-- Odoo has been told the outcome of these events; from now on they may be forgotten some day.
-- The lease is given back in the same step if nothing is left to tell.
-- An event that was queued again meanwhile, or has a new outcome, is left as it is.
-- ARGV: token, then key, place and state of each report. Returns how many are left; -1 if the
-- lease is lost.
if redis.call('GET', P .. ':lease:reports') ~= ARGV[1] then
  return -1
end
local time = now()
local confirmed_at = stamp(time)
local keys, told, finished = {}, {}, {}
for i = 2, #ARGV, 3 do
  keys[#keys + 1] = ARGV[i]
end
local places = of_each(keys, 'ZMSCORE', P .. ':reports')
for i, key in ipairs(keys) do
  local place, state = ARGV[3 * i], ARGV[3 * i + 1]
  if places[key] and tonumber(places[key]) == tonumber(place) then
    local event = P .. ':event:' .. key
    if state ~= 'done' then  -- what is done stays so, but a dead letter may be discarded meanwhile
      state = redis.call('HGET', event, 'state')
    end
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
