-- Queues dead letters again, behind the other events of their records.
-- ARGV: time of commit and key of each. Returns {key, record} of each event that was a dead letter.
local time = now()
local replayed = {}
for i = 1, #ARGV, 2 do
  local committed_at, key = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', P .. ':dead', key) then
    local record = redis.call('HGET', P .. ':event:' .. key, 'record')
    requeue(key, record, committed_at, time)
    replayed[#replayed + 1] = {key, record}
  end
end
return replayed
