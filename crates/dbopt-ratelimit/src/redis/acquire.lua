-- Takes a place: KEYS[1] the set of those taken, by when they end in microseconds; ARGV the most places, for how many
-- microseconds, and the name of the new one. Replies 1, or 0 when all are taken.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  return 0
end
local life = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + life), ARGV[3])
-- The set lives as long as its longest place.
local milliseconds = math.ceil(life / 1000)
if redis.call('PTTL', KEYS[1]) < milliseconds then
  redis.call('PEXPIRE', KEYS[1], milliseconds)
end
return 1
