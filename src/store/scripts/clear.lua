-- Makes every answer of a space one of an older generation, which nobody asks for any more.
--   KEYS[1]  the generations: a hash from spaces to numbers
--   ARGV[1]  the space              ARGV[2]  the new generation, never used before
--   ARGV[3]  the channel to tell everybody on
--   ARGV[4]  what to tell them
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
