-- Takes reports that Odoo has received off the list. Events that are finished by that may be
-- forgotten.
-- An event that was queued again meanwhile, or has a new result, is left as it is.
-- If the list is empty then, the script gives the lease back in the same step.
-- ARGV: token, then key and place of each report.
-- Returns how many reports remain, or -1 if the lease was lost.
allow_when_full()
if redis.call('GET', P .. ':lease:reports') ~= ARGV[1] then
  return -1
end
local time = now()
local keys, confirmed, finished = {}, {}, {}
for i = 2, #ARGV, 2 do
  keys[#keys + 1] = ARGV[i]
end

-- Writes down that Odoo knows of an event that was given up. Tells whether the event is finished,
-- because it was discarded.
local function is_finished(key)
  local event = P .. ':event:' .. key
  local state = redis.call('HGET', event, 'state')
  if state then
    redis.call('HSET', event, 'confirmed_at', as_text(time))
  end
  return state == 'discarded'
end

local places = read_each(keys, 'ZMSCORE', P .. ':reports')
for i, key in ipairs(keys) do
  local place = tonumber(ARGV[2 * i + 1])
  if places[key] and tonumber(places[key]) == place then
    confirmed[#confirmed + 1] = key
    if place % 2 == 0 or is_finished(key) then
      finished[#finished + 1] = key
    end
  end
end
in_parts(confirmed, 'ZREM', P .. ':reports')
finish(finished, time)
local remaining = redis.call('ZCARD', P .. ':reports')
if remaining == 0 then
  redis.call('DEL', P .. ':lease:reports')
end
return remaining
