-- Takes dead letters off the list. Their memory stays for a while, so that a repeat is known.
-- One that Odoo does not know of yet is kept by `confirm`, once it does.
-- ARGV: content and memory retention in milliseconds, keys. Returns those that were dead.
local time = now()
local discarded = {}
for i = 3, #ARGV do
  local key = ARGV[i]
  if redis.call('ZREM', P .. ':dead', key) == 1 then
    local event = P .. ':event:' .. key
    redis.call('HSET', event, 'state', 'discarded')
    if redis.call('HEXISTS', event, 'confirmed_at') == 1 then
      keep(key, time, ARGV[1], ARGV[2])
    end
    discarded[#discarded + 1] = key
  end
end
count('discarded', #discarded)
return discarded
