-- Deletes the contents of events that are done and not confirmed yet: they are only kept for reading.
-- ARGV: most events to look at. Returns how many contents it deleted.
allow_when_full()
local reports = redis.call('ZRANGE', P .. ':reports', 0, ARGV[1] - 1, 'WITHSCORES')
local deleted = 0
for i = 1, #reports, 2 do
  if tonumber(reports[i + 1]) % 2 == 0 then  -- not one that was given up
    deleted = deleted + redis.call('DEL', P .. ':body:' .. reports[i])
  end
end
return deleted
