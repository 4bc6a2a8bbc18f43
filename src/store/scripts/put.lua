-- Keeps an answer for a while.
--   KEYS[1]  where
--   ARGV[1]  the sealed answer      ARGV[2]  how long, in milliseconds
--   ARGV[3]  the channel to tell others on that have an older one; empty where the server tracks keys
--   ARGV[4]  what to tell them
-- Returns 1 if there was another one.
local had = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if had == 1 and ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
-- The server forgets with the SET that we are interested, and a read tells it again.
redis.call('EXISTS', KEYS[1])
return had
