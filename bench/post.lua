-- wrk script: posts the requests of a file made by `wf-bench requests`, each once, and keeps samples of
-- the answers. wrk … -s post.lua URL -- REQUESTS THREADS
--
-- Each thread has its own Lua and reads every n-th request, so that nothing is sent twice.

local threads = {}

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

-- Globals where done() reads them (thread:get sees no locals).
local file, total, sent
local sample_every = 997

function init(args)
   file = assert(io.open(args[1], "rb"))
   total = tonumber(args[2])
   sent, answered, wrapped, bad = 0, 0, 0, 0
   first_bad = ""
   sampled = ""
   skip(number)
end

function skip(count)
   for _ = 1, count do
      local length = file:read(8)
      if not length then return false end
      file:seek("cur", tonumber(length))
   end
   return true
end

function request()
   local length = file:read(8)
   if not length then
      -- Out of requests: from the start again. bench/run made enough of those that must not repeat.
      wrapped = wrapped + 1
      file:seek("set", 0)
      skip(number)
      length = file:read(8)
   end
   local text = file:read(tonumber(length))
   skip(total - 1)
   sent = sent + 1
   return text
end

function response(status, headers, body)
   answered = answered + 1
   if status ~= 200 then
      bad = bad + 1
      if first_bad == "" then first_bad = status .. " " .. body end
   elseif answered % sample_every == 1 then
      sampled = sampled .. body .. "\n"
   end
end

function done(summary, latency, requests)
   local answered, bad, wrapped, first_bad, sampled = 0, 0, 0, "", ""
   for _, thread in ipairs(threads) do
      answered = answered + thread:get("answered")
      bad = bad + thread:get("bad")
      wrapped = wrapped + thread:get("wrapped")
      if first_bad == "" then first_bad = thread:get("first_bad") end
      sampled = sampled .. thread:get("sampled")
   end
   local errors = summary.errors
   io.write(string.format(
      "WFBENCH answered=%d bad=%d wrapped=%d seconds=%.6f p50=%.3f p90=%.3f p99=%.3f max=%.3f connect=%d read=%d write=%d timeout=%d\n",
      answered, bad, wrapped, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, errors.connect, errors.read, errors.write, errors.timeout))
   if first_bad ~= "" then io.write("WFBENCHBAD " .. first_bad .. "\n") end
   io.write("WFBENCHSAMPLES\n" .. sampled)
end
