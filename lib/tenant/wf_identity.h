/* L3, pure: who calls the management API (or a guarded backend), and what they may. DESIGN.md section 9. */
#ifndef WF_IDENTITY_H
#define WF_IDENTITY_H

#include "base/wf_base.h"

/* Each role may what the one before it may. Numbers are compared; WF_ROLE_NONE may nothing. */
typedef enum {
    WF_ROLE_NONE = 0,
    WF_ROLE_LEITURA,       /* reads */
    WF_ROLE_OPERADOR,      /* day-to-day work: sends messages, replays deliveries, opt-outs */
    WF_ROLE_GESTOR,        /* flows, accounts and settings, but no credentials and no people */
    WF_ROLE_ADMIN,         /* all of one company */
    WF_ROLE_PLATFORM_ADMIN /* all companies */
} wf_role_t;

const char *wf_role_name(wf_role_t role);    /* "leitura" …; "none" */
wf_role_t wf_role_parse(const char *name);   /* WF_ROLE_NONE: not a role */

/* What an API key may: "read:<area>" or "write:<area>"; writing does not include reading. */
#define WF_SCOPE_AREAS(A)                                                                          \
    A(COMPANIES, "companies")                                                                      \
    A(ACCOUNTS, "accounts")                                                                        \
    A(FLOWS, "flows")                                                                              \
    A(RESPONSES, "responses") /* sessions, responses and files: people's answers */               \
    A(EVENTS, "events")       /* webhook events, deliveries, replays */                            \
    A(MESSAGES, "messages")                                                                        \
    A(SETTINGS, "settings") /* settings and feature flags */                                       \
    A(INTEGRATIONS, "integrations")                                                                \
    A(OPT_OUTS, "opt-outs")                                                                        \
    A(USERS, "users")                                                                              \
    A(API_KEYS, "api-keys")                                                                        \
    A(AUDIT, "audit")                                                                              \
    A(USAGE, "usage")                                                                              \
    A(APPROVALS, "approvals")                                                                      \
    A(METRICS, "metrics")

#define WF_SCOPE_BITS(id, name) WF_AREA_##id,
typedef enum { WF_SCOPE_AREAS(WF_SCOPE_BITS) WF_AREA_COUNT } wf_area_t;
#undef WF_SCOPE_BITS

typedef uint64_t wf_scopes_t;
#define WF_READ(area) ((wf_scopes_t)1 << (2 * (unsigned)(area)))
#define WF_WRITE(area) ((wf_scopes_t)2 << (2 * (unsigned)(area)))

/* One scope; 0: there is none of that name. */
wf_scopes_t wf_scope_parse(const char *name);
/* One scope by its number, 0 to 2 * WF_AREA_COUNT - 1: "read:companies", "write:companies" … in `pool`. */
const char *wf_scope_name(apr_pool_t *pool, unsigned bit);

typedef enum {
    WF_IDENTITY_USER,   /* a person, by a JWT */
    WF_IDENTITY_KEY,    /* a program, by an API key */
    WF_IDENTITY_SERVER  /* httpd authenticated it: a trusted REMOTE_USER */
} wf_identity_kind_t;

typedef struct {
    wf_identity_kind_t kind;
    const char *subject;      /* "user:<id>", "key:<id>", "sso:<name>": for audit rows and WFLOWS_SUBJECT */
    const char *user_id;      /* UUID of our users table; NULL: none */
    const char *session_id;   /* of the log-in that the token is of; NULL: none */
    const char *company_id;   /* NULL: the platform's own */
    const char *company_slug; /* NULL: not known */
    int company_active;       /* 0: its company is suspended: it may read and nothing else */
    wf_role_t role;           /* WF_ROLE_NONE for keys: their scopes say it */
    wf_scopes_t scopes;       /* keys only */
    const char *const *account_ids; /* keys only: the accounts it is for; NULL: all */
    int account_count;
    apr_time_t expires_at;    /* 0: does not */
} wf_identity_t;

/* 1 if somebody of at least `role` may, or a key with all of `scopes` (0: no key may at all). */
int wf_identity_may(const wf_identity_t *who, wf_role_t role, wf_scopes_t scopes);
/* 1 if the identity may see anything of this company: its own, or it is the platform's. */
int wf_identity_sees_company(const wf_identity_t *who, const char *company_id);
/* 1 if a key is for this account (people: every account). */
int wf_identity_sees_account(const wf_identity_t *who, const char *account_id);

#endif
