-- KEYS: session. ARGV: number, grace and idle in milliseconds, what keys of subjects begin with.
-- Answers the next number, subject, epoch and data; or 'ended' or 'reused'.
local found = redis.call('HMGET', KEYS[1], 'subject', 'data', 'epoch', 'number', 'rotated', 'ends')
if not found[1] then
    return { 'ended' }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local asked, grace, idle = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local number, ends = tonumber(found[4]), tonumber(found[6])
-- Epochs are microseconds since 1970, which a number of Lua holds exactly.
local epoch = tonumber(redis.call('GET', ARGV[4] .. found[1]) or '0')
if ends <= now or tonumber(found[3]) < epoch then
    redis.call('DEL', KEYS[1])
    return { 'ended' }
end
if asked == number then
    number = number + 1
    redis.call('HSET', KEYS[1], 'number', number, 'rotated', now)
    redis.call('PEXPIRE', KEYS[1], math.max(1, math.min(idle, ends - now)))
elseif asked + 1 ~= number or now - tonumber(found[5]) >= grace then
    redis.call('DEL', KEYS[1])
    return { 'reused' }
end
return { 'next', string.format('%d', number), found[1], found[3], found[2] }
