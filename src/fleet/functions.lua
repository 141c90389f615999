#!lua name=blindmeter
-- What a cluster's servers do with the words of nodes: keep them, add them up, erase them. The one program that
-- runs there; Valkey and Redis 7 both take it. `blindmeter fleet install` puts in which fleet and cluster it is, and what
-- its servers call the commands that reach into hashes. A function runs with the rights of whoever calls it, so that
-- whoever may `put` may read hashes; the servers give those commands names that only this program and its loader know.
--
-- A hash for each account and period, under a keyed tag:
--   8 bytes    one node's words: mark, week, words; week before, words (2 + 2 + 28, 2 + 28 bytes)
--   'm'        the mark: how often the account was erased or corrected (2 bytes)
--   'w'        the week that it was set in (2 bytes)
--   'c'        the words that a correction stands for
-- A hash for each epoch:
--   8 bytes    one node's share of the sums: 7 bytes a word, and never as long as a node's words of an account
--   'n'        the fewest nodes that may be opened, as any of them has asked for
--   'o'        the nodes whose shares were opened, 8 bytes each: final
-- Words are below 2^52, so that a Lua number holds the sum of two; numbers are big-endian.

local IDENTITY = '@IDENTITY@'
local NAMES = '@NAMES@'
local HGETALL, HMGET, HGET = 'HGETALL' .. NAMES, 'HMGET' .. NAMES, 'HGET' .. NAMES
local HSET, HDEL, EXPIREAT = 'HSET' .. NAMES, 'HDEL' .. NAMES, 'EXPIREAT' .. NAMES
local MODULUS = 2 ^ 52
local WORDS = 28
local FIELD = 8
local OF_ACCOUNT = 2 + 2 + WORDS + 2 + WORDS
-- Sums of fewer nodes are not opened, whoever asks, nor of fewer than any of them asked for.
local FEWEST = 3

-- Why a call is not answered; nothing where it is. Each call says which fleet and cluster it means.
local function refusal(identity)
    if identity == IDENTITY then return nil end
    local version, fleet, cluster = string.match(IDENTITY, '^(%S+) (%S+) (%S+)$')
    local its_version, its_fleet, its_cluster = string.match(identity or '', '^(%S+) (%S+) (%S+)$')
    if its_version ~= version then
        return redis.error_reply('BMVERSION functions of version ' .. version .. ' are installed here')
    elseif its_fleet ~= fleet then
        return redis.error_reply('BMFLEET this cluster was installed with another fleet key')
    elseif its_cluster ~= cluster then
        return redis.error_reply('BMCLUSTER this is cluster ' .. cluster)
    end
    return redis.error_reply('BMFLEET no such fleet')
end

local function number(bytes)
    return (struct.unpack('>I' .. #bytes, bytes))
end

local function mark_of(key)
    return redis.call(HGET, key, 'm') or '\0\0'
end

-- Other fields are not nodes', and words of an account are not to be taken for a share.
local function is_share(value)
    return #value > 0 and #value % 7 == 0 and #value ~= OF_ACCOUNT
end

local function other_shape()
    return redis.error_reply('BMVERSION words of another shape')
end

-- A node's clock must be within a day of the server's.
local function is_wrong(day)
    return math.abs(math.floor(redis.call('TIME')[1] / 86400) - tonumber(day)) > 1
end

-- Keys: tags. Arguments: identity, day, when all of the period expires; for each tag the node's field and its mark,
-- week and words. Answers for each tag nothing, or a later mark and the one that the node's words were kept under.
local function put(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    if is_wrong(args[2]) then
        return redis.error_reply('BMCLOCK the clocks of node and server differ by more than a day')
    end
    local answers = {}
    for at, key in ipairs(keys) do
        local field, new = args[2 * at + 2], args[2 * at + 3]
        if #field ~= FIELD or #new ~= 4 + WORDS then return other_shape() end
        local there = redis.call(HMGET, key, field, 'm')
        local old, mark = there[1], there[2] or '\0\0'
        if old and #old ~= OF_ACCOUNT then return other_shape() end
        if number(mark) > number(new:sub(1, 2)) then
            answers[at] = mark .. (old and old:sub(1, 2) or '\0\0')
        else
            local before = string.rep('\0', 2 + WORDS)
            if old then
                local week, its_week = number(old:sub(3, 4)), number(new:sub(3, 4))
                if week > its_week then
                    return redis.error_reply('BMWEEK this node has sent a later week')
                end
                before = week == its_week and old:sub(5 + WORDS) or old:sub(3, 4 + WORDS)
            end
            redis.call(HSET, key, field, new .. before)
            -- The whole hash expires alike for all: whoever comes later finds it set.
            if not old then redis.call(EXPIREAT, key, args[3]) end
            answers[at] = ''
        end
    end
    return answers
end

-- Keys: tags. Arguments: identity; for each tag a field. A digest of what is kept there of the latest week.
local function kept(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    local all = {}
    for at, key in ipairs(keys) do
        local value = redis.call(HGET, key, args[at + 1])
        all[at] = value and value:sub(1, 4 + WORDS) or ''
    end
    return redis.sha1hex(table.concat(all))
end

-- The fields of a hash that are nodes' and of this kind, in order.
local function nodes_of(key, is_kind)
    local all, names, values = redis.call(HGETALL, key), {}, {}
    for at = 1, #all, 2 do
        if #all[at] == FIELD and is_kind(all[at + 1]) then
            table.insert(names, all[at])
            values[all[at]] = all[at + 1]
        end
    end
    table.sort(names)
    return names, values
end

local function is_of_account(value)
    return #value == OF_ACCOUNT
end

local function add(sums, words)
    for at = 1, #words / 7 do
        local sum = (sums[at] or 0) + number(words:sub(7 * at - 6, 7 * at))
        sums[at] = sum >= MODULUS and sum - MODULUS or sum
    end
end

local function as_text(sums)
    local texts = {}
    for at, sum in ipairs(sums) do texts[at] = string.format('%.0f', sum) end
    return texts
end

-- Key: a tag. Arguments: identity, week, an earlier week. The sums of all nodes as of that week, with a digest of what
-- they are of: digest, nodes, nodes that have not sent that week, nodes that have sent after the earlier one, mark, the
-- week that it was set in, nodes that have not obeyed it, four sums.
local function total(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    local key, wanted, earlier = keys[1], tonumber(args[2]), tonumber(args[3])
    local mark, names = mark_of(key), nil
    local sums, stale, later, left, of, values = { 0, 0, 0, 0 }, 0, 0, 0, { mark }, nil
    names, values = nodes_of(key, is_of_account)
    for _, name in ipairs(names) do
        local value = values[name]
        local week, words = number(value:sub(3, 4)), value:sub(5, 4 + WORDS)
        if week > earlier then later = later + 1 end
        if week > wanted then
            week, words = number(value:sub(5 + WORDS, 6 + WORDS)), value:sub(7 + WORDS)
        end
        if week > wanted then week, words = 0, string.rep('\0', WORDS) end
        if week < wanted then stale = stale + 1 end
        if value:sub(1, 2) ~= mark then left = left + 1 end
        add(sums, words)
        table.insert(of, name .. value:sub(1, 2) .. struct.pack('>I2', week))
    end
    local correction = redis.call(HGET, key, 'c')
    if correction then add(sums, correction) end
    local set_in = number(redis.call(HGET, key, 'w') or '\0\0')
    local answer = { redis.sha1hex(table.concat(of)), #names, stale, later, number(mark), set_in, left }
    for _, text in ipairs(as_text(sums)) do table.insert(answer, text) end
    return answer
end

-- Key: a tag. Arguments: identity, mark, this week, when all of the period expires, and words where it is a correction.
-- What nodes sent becomes zero; they follow at their next sending. Answers nothing.
local function erase(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    local key, mark = keys[1], struct.pack('>I2', tonumber(args[2]))
    if number(mark_of(key)) > tonumber(args[2]) then
        return redis.error_reply('BMMARK the account was erased or corrected since; ask again')
    end
    local names, values = nodes_of(key, is_of_account)
    for _, name in ipairs(names) do
        local value = values[name]
        if value:sub(1, 2) ~= mark then
            local zeros = string.rep('\0', WORDS)
            local zeroed = value:sub(1, 4) .. zeros .. value:sub(5 + WORDS, 6 + WORDS) .. zeros
            redis.call(HSET, key, name, zeroed)
        end
    end
    redis.call(HSET, key, 'm', mark, 'w', struct.pack('>I2', tonumber(args[3])))
    if args[5] then
        redis.call(HSET, key, 'c', args[5])
    else
        redis.call(HDEL, key, 'c')
    end
    redis.call(EXPIREAT, key, args[4])
    return {}
end

local function is_in(set, field)
    for at = 1, #set, 8 do
        if set:sub(at, at + 7) == field then return true end
    end
    return false
end

local function fewest(key)
    return math.max(FEWEST, tonumber(redis.call(HGET, key, 'n') or 0))
end

-- Key: an epoch. Arguments: identity, the node's field, when it expires, its shares, the fewest nodes among which it may
-- be opened. Answers: whether the epoch was opened, and whether this node is in what was opened; a share is kept until
-- then, and refused after it.
local function share(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    if #args[2] ~= FIELD or not is_share(args[4]) or not tonumber(args[5]) then return other_shape() end
    local set = redis.call(HGET, keys[1], 'o')
    if set then return { 1, is_in(set, args[2]) and 1 or 0 } end
    redis.call(HSET, keys[1], args[2], args[4], 'n', math.max(fewest(keys[1]), tonumber(args[5])))
    redis.call(EXPIREAT, keys[1], args[3])
    return { 0, 1 }
end

-- Key: an epoch. Arguments: identity, a field. Takes a node's share back, unless the epoch was opened; answers as
-- above.
local function withdraw(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    if #args[2] ~= FIELD then return other_shape() end
    local set = redis.call(HGET, keys[1], 'o')
    if set then return { 1, is_in(set, args[2]) and 1 or 0 } end
    redis.call(HDEL, keys[1], args[2])
    return { 0, 0 }
end

-- Key: an epoch. Arguments: identity. Answers: whether it was opened, and the fields that were, or are there.
local function shares(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    local set = redis.call(HGET, keys[1], 'o')
    if set then return { 1, set } end
    return { 0, table.concat((nodes_of(keys[1], is_share))) }
end

-- Key: an epoch. Arguments: identity, the fields to be opened, 8 bytes each. Adds their shares up and fixes the set for
-- good; one that was opened answers with its own. Answers: the set, and its sums; nothing where a share is missing, or
-- where they are too few.
local function open(keys, args)
    local refused = refusal(args[1])
    if refused then return refused end
    local fixed = redis.call(HGET, keys[1], 'o')
    local set, sums, seen, count = fixed or args[2], {}, {}, 0
    for at = 1, #set, FIELD do
        local field = set:sub(at, at + FIELD - 1)
        local words = redis.call(HGET, keys[1], field)
        if not words or seen[field] or not is_share(words) then return {} end
        seen[field], count = true, count + 1
        add(sums, words)
    end
    if count < fewest(keys[1]) then return {} end
    if not fixed then redis.call(HSET, keys[1], 'o', set) end
    local answer = as_text(sums)
    table.insert(answer, 1, set)
    return answer
end

-- No key: which version, fleet and cluster this member serves, and the second it is there.
local function identity()
    return { IDENTITY, redis.call('TIME')[1] }
end

redis.register_function('bm_put', put)
redis.register_function('bm_erase', erase)
redis.register_function('bm_share', share)
redis.register_function('bm_withdraw', withdraw)
redis.register_function('bm_open', open)
redis.register_function{ function_name = 'bm_kept', callback = kept, flags = { 'no-writes' } }
redis.register_function{ function_name = 'bm_total', callback = total, flags = { 'no-writes' } }
redis.register_function{ function_name = 'bm_shares', callback = shares, flags = { 'no-writes' } }
redis.register_function{ function_name = 'bm_identity', callback = identity, flags = { 'no-writes', 'allow-stale' } }
