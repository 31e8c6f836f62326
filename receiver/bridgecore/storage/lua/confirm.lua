-- Odoo has been told the outcome of these events; from now on they may be forgotten some day.
-- The lease is given back in the same step if nothing is left to tell.
-- An event that was queued again meanwhile, or has a new outcome, is left as it is.
-- ARGV: token, then key and place of each report. Returns how many are left; -1 if the lease is
-- lost.
if redis.call('GET', P .. ':lease:reports') ~= ARGV[1] then
  return -1
end
local time = now()
local keys, told, finished = {}, {}, {}
for i = 2, #ARGV, 2 do
  keys[#keys + 1] = ARGV[i]
end

-- Whether nothing is left to be done for an event that was given up: it was discarded.
local function is_over(key)
  local event = P .. ':event:' .. key
  local state = redis.call('HGET', event, 'state')
  if state then
    redis.call('HSET', event, 'confirmed_at', stamp(time))
  end
  return state == 'discarded'
end

local places = of_each(keys, 'ZMSCORE', P .. ':reports')
for i, key in ipairs(keys) do
  local place = tonumber(ARGV[2 * i + 1])
  if places[key] and tonumber(places[key]) == place then
    told[#told + 1] = key
    if place % 2 == 0 or is_over(key) then
      finished[#finished + 1] = key
    end
  end
end
in_parts(told, 'ZREM', P .. ':reports')
keep(finished, time)
local left = redis.call('ZCARD', P .. ':reports')
if left == 0 then
  redis.call('DEL', P .. ':lease:reports')
end
return left
