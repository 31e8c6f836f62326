-- Queues dead letters again, behind what waits of their records.
-- ARGV: moment in microseconds, key of each. Returns those that were dead, with their records.
local time = now()
local replayed = {}
for i = 1, #ARGV, 2 do
  local moment, key = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', P .. ':dead', key) then
    local record = redis.call('HGET', P .. ':event:' .. key, 'record')
    requeue(key, record, moment, time)
    replayed[#replayed + 1] = {key, record}
  end
end
return replayed
