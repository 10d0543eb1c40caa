/* Inside lib/store: what the server-side scripts share. */
#ifndef WF_SCRIPTS_INT_H
#define WF_SCRIPTS_INT_H

#include "redis/wf_redis.h"

/* GCRA on one key, which holds the theoretical arrival time: gcra() answers what it becomes, how far that
 * is ahead, what may still come at once, and (> 0: refused) for how long to wait; charge() books it.
 * Times are microseconds of Redis's own clock, so that servers with different ones agree. */
#define WF_LUA_GCRA                                                                                \
    "local t = redis.call('TIME')\n"                                                               \
    "local now = t[1] * 1000000 + t[2]\n"                                                          \
    "local function gcra(key, max, win)\n"                                                         \
    "  win = win * 1000\n"                                                                         \
    "  local each = win / max\n"                                                                   \
    "  local tat = tonumber(redis.call('GET', key) or 0)\n"                                        \
    "  if tat < now then tat = now end\n"                                                          \
    "  tat = tat + each\n"                                                                         \
    "  local ahead = tat - now\n"                                                                  \
    "  return tat, ahead, math.floor((win - ahead) / each), ahead - win\n"                         \
    "end\n"                                                                                        \
    "local function charge(key, tat, ahead)\n"                                                     \
    "  redis.call('SET', key, tat, 'PX', math.ceil(ahead / 1000) + 1)\n"                           \
    "end\n"

typedef struct wf_store_scripts_t {
    wf_redis_script_t limits, platform, save_context; /* wf_admit_store.c */
    wf_redis_script_t save_plan;                      /* wf_exchange_store.c */
    wf_redis_script_t api_key;                        /* wf_auth_store.c */
} wf_store_scripts_t;

extern const char wf_save_plan_lua[];
extern const char wf_api_key_lua[];

#endif
