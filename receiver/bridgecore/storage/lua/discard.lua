-- Discards dead letters. Their memory stays for a while, so that duplicates are recognised.
-- If Odoo does not know yet that an event was given up, `confirm` finishes the event later.
-- ARGV: keys. Returns the keys that were dead letters.
allow_when_full()
local discarded, finished = {}, {}
for _, key in ipairs(ARGV) do
  if redis.call('ZREM', P .. ':dead', key) == 1 then
    local event = P .. ':event:' .. key
    redis.call('HSET', event, 'state', 'discarded')
    if redis.call('HEXISTS', event, 'confirmed_at') == 1 then
      finished[#finished + 1] = key
    end
    discarded[#discarded + 1] = key
  end
end
finish(finished, now())
count('discarded', #discarded)
return discarded
