-- Takes an answer away.
--   KEYS[1]  where
--   ARGV[1]  the channel to tell others on; empty where the server tracks keys
--   ARGV[2]  what to tell them
-- Returns 1 if there was one.
local had = redis.call('DEL', KEYS[1])
if ARGV[1] ~= '' then
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return had
