-- Writes down that a page of the feed was accepted: moves the cursor, and notes the end of the feed.
-- Does nothing if another pull has begun since, or if Redis has lost its data: then the pages
-- before this one may be missing, and the cursor must not pass them.
-- ARGV: token of the pull, cursor before the page, cursor after it, 1 if the feed ends here.
-- Returns 1, or 0 if nothing was written.
allow_when_full()
local feed = P .. ':feed'
local known = redis.call('HMGET', feed, 'pull', 'cursor')
if known[1] ~= ARGV[1] or (known[2] or '0') ~= ARGV[2] then
  return 0
end
redis.call('HSET', feed, 'cursor', ARGV[3])
if ARGV[4] == '1' then
  redis.call('HSET', feed, 'read_at', as_text(now()))
  redis.call('HDEL', feed, 'catching_up_since')
end
return 1
