/* The only Redis key names (DESIGN.md section 5). {slug} is a hash tag: all of a company's keys share a
 * Cluster slot, so that one script may touch them all. Each is made in a pool from the prefix, the slug and what else it names; joined, not
 * formatted: an exchange needs eight. */
#ifndef WF_KEYS_H
#define WF_KEYS_H

#include <apr_strings.h>

#define WF_KEY_OF_COMPANY(pool, prefix, slug, ...)                                                 \
    apr_pstrcat(pool, prefix, "{", slug, "}:", __VA_ARGS__, NULL)

/* Hash: st (status of company/account, "none" if unknown), rec (record text), lim (limits, see
 * wf_admit_store.c; missing where there are none). `account`: "default" or as named. */
#define WF_KEY_CTX(pool, prefix, slug, account)                                                    \
    WF_KEY_OF_COMPANY(pool, prefix, slug, "ctx:", account)
/* Set of the ctx keys that exist (whole names; unknown accounts excepted), so that forgetting a company
 * needs no SCAN. */
#define WF_KEY_CTX_INDEX(pool, prefix, slug) WF_KEY_OF_COMPANY(pool, prefix, slug, "ctx-index")
/* Counter raised by every change of the company's records: a value loaded before it is not cached. */
#define WF_KEY_GENERATION(pool, prefix, slug) WF_KEY_OF_COMPANY(pool, prefix, slug, "gen")
/* Hash of "<version>\n<flow id>\n<plan>": field "plan" the active version's, field <version> that one's. */
#define WF_KEY_FLOW(pool, prefix, slug, name) WF_KEY_OF_COMPANY(pool, prefix, slug, "flow:", name)
/* The session record. */
#define WF_KEY_SESSION(pool, prefix, slug, token_hash)                                             \
    WF_KEY_OF_COMPANY(pool, prefix, slug, "session:", token_hash)
#define WF_KEY_RATE_COMPANY(pool, prefix, slug) WF_KEY_OF_COMPANY(pool, prefix, slug, "rl:company")
#define WF_KEY_RATE_ACCOUNT(pool, prefix, slug, account_id)                                        \
    WF_KEY_OF_COMPANY(pool, prefix, slug, "rl:account:", account_id)
#define WF_KEY_RATE_PLATFORM(pool, prefix) apr_pstrcat(pool, prefix, "rl:platform", NULL)
/* Hash: n (counted here), base (what PostgreSQL had when this key was made). `month`: 2026-11. */
#define WF_KEY_USE(pool, prefix, slug, month) WF_KEY_OF_COMPANY(pool, prefix, slug, "use:", month)

/* Who calls: before a company is known, so each key has a tag of its own, "key:<lookup id>", "user:<id>" or
 * "company:<id or slug>", which no slug looks like. "auth" is a hash of what is known, "gen" a counter that every change
 * raises; what was saved under another one is not used. One counter more is for all of them. */
#define WF_KEY_AUTH(pool, prefix, name, what)                                                      \
    apr_pstrcat(pool, prefix, "{", name, "}:", what, NULL)
#define WF_KEY_AUTH_GENERATION(pool, prefix) apr_pstrcat(pool, prefix, "auth:gen", NULL)

#define WF_TTL_AUTH_S 60
/* That a secret was right once only gives its next check the right of way. */
#define WF_TTL_AUTH_PROVEN_S 86400
#define WF_TTL_AUTH_USES_S (30 * 86400)
/* Hash: "<metric>{<labels>" -> count. The id, because a slug can have another owner one day. */
#define WF_KEY_TALLY(pool, prefix, slug, company_id)                                               \
    WF_KEY_OF_COMPANY(pool, prefix, slug, "tally:", company_id)

#define WF_TTL_CTX_S 300
#define WF_TTL_FLOW_S 300
#define WF_TTL_NEGATIVE_S 5
#define WF_TTL_SESSION_MAX_S 3600
#define WF_TTL_USE_S (45 * 86400)
#define WF_TTL_TALLY_S 7776000 /* a company without traffic for 90 days starts anew */
/* Longer than any load from PostgreSQL can take. */
#define WF_TTL_GENERATION_S 86400

#endif
