-- Takes dead letters off the list. Their memory stays for a while, so that a repeat is known.
-- One that Odoo does not know of yet is kept by `confirm`, once it does.
-- ARGV: keys. Returns those that were dead.
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
keep(finished, now())
count('discarded', #discarded)
return discarded
