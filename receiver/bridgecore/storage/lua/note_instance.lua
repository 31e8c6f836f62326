-- Notes that an instance of the source was heard. An instance that another one had replaced, and that
-- is heard again, is a sign that two databases claim the source.
-- ARGV: instance; microseconds since it was heard, for which a replaced instance is remembered,
--       after which a sign is the first of a new series, and between two warnings; most instances.
-- Returns {what it means: `same`, `first`, `moved` or `back`, the instance that was heard before it,
-- 1 if the caller must warn}.
allow_when_full()
local key, instance = P .. ':instances', ARGV[1]
local time = now()
local heard_at = time - ARGV[2]
local memory, series, pause = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local most = tonumber(ARGV[6])
local current, since, sign_at, warned_at, replaced_at = unpack(redis.call('HMGET', key,
  'now', 'since', 'sign_at', 'warned_at', 'replaced:' .. instance))

local function is_older(moment, age)
  return not moment or tonumber(moment) < time - age
end

-- One that was heard before the current one is only told late, by another process.
if current == instance or (current and heard_at <= tonumber(since)) then
  return {'same', current, 0}
end

-- Forgets instances that were replaced long ago, and the oldest if there are too many.
local function forget_replaced()
  local replaced = {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    if fields[i]:sub(1, 9) == 'replaced:' then
      replaced[#replaced + 1] = {fields[i], tonumber(fields[i + 1])}
    end
  end
  table.sort(replaced, function(a, b) return a[2] > b[2] end)
  for place, field in ipairs(replaced) do
    if place > most or is_older(field[2], memory) then
      redis.call('HDEL', key, field[1])
    end
  end
end

redis.call('HSET', key, 'now', instance, 'since', as_text(heard_at))
redis.call('HDEL', key, 'replaced:' .. instance)
if not current then
  return {'first', '', 0}
end
redis.call('HSET', key, 'replaced:' .. current, as_text(heard_at))
forget_replaced()
if is_older(replaced_at, memory) then
  return {'moved', current, 0}
end
redis.call('HSET', key, 'sign_at', as_text(heard_at), 'other', current)
if is_older(sign_at, series) then
  redis.call('HSET', key, 'signs_since', as_text(heard_at))
end
local must_warn = is_older(warned_at, pause)
if must_warn then
  redis.call('HSET', key, 'warned_at', as_text(time))
end
count('instance_conflicts', 1)
return {'back', current, must_warn and 1 or 0}
