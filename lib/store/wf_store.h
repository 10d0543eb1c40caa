/* L4: load and save records. The only SQL (wf_sql.c) and the only Redis key names (wf_keys.h).
 *
 * Every change of a record writes its audit row and its cache invalidation (an outbox row, consumer
 * "cache") in the same transaction; after the commit the keys are deleted in Redis and the outbox row
 * is marked done. A delete that fails is left to the outbox worker. */
#ifndef WF_STORE_H
#define WF_STORE_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"
#include "flow/wf_flow.h"
#include "pg/wf_pg.h"
#include "redis/wf_redis.h"
#include "tenant/wf_tenant.h"
#include "webhook/wf_billing.h"
#include "webhook/wf_wa_event.h"

/* Handles only, no data; shared by all threads of a process. */
typedef struct {
    wf_pg_t *pg;
    wf_redis_t *redis;  /* NULL: none configured (some wflowsctl commands) */
    const char *prefix; /* of every Redis key: "wf:" */
    /* The server-side scripts with their digests. Made once by the runtime's owner; no statics, because each
     * module has its own copy of this library. */
    const struct wf_store_scripts_t *scripts;
} wf_store_t;

const struct wf_store_scripts_t *wf_store_scripts_make(apr_pool_t *pool);

/* What a second person agreed to, and agrees to by the first change that is made with it. */
typedef struct {
    const char *id;           /* of the approval */
    const char *requested_by; /* an actor */
    int used;
} wf_approval_use_t;

/* Who changes something, for the audit row, and what they have seen of it. */
typedef struct {
    const char *actor;   /* "wflowsctl:root", "user:<id>", "job:expiry" */
    const char *user_id; /* NULL: none */
    const char *ip_address;
    const char *user_agent;
    const char *if_match; /* an If-Match header: wf_version_tag in quotes, a list of them, or "*"; NULL: any */
    int four_eyes; /* 1: needs a second person where the company wants one (callers of the API); operators and jobs do not */
    wf_approval_use_t *approval; /* the second person's yes; NULL: none */
} wf_actor_t;

/* A record's version for ETag and If-Match, of its id and "updated_at". What is only counted (usage) is no
 * part of it. NULL: the document has none. */
const char *wf_version_tag(apr_pool_t *pool, const wf_json_t *doc);

/* ---- schema (wf_migrate.c) ------------------------------------------------------------------- */

#define WF_SCHEMA_VERSION_NEEDED 12 /* raised with each migration this build needs */

typedef struct {
    int version;      /* newest applied */
    int applied;      /* by this call */
    int pending;      /* found in the folder and not applied (wf_migrate_status) */
    const char *changed; /* an applied file whose checksum differs: its name */
} wf_migrate_report_t;

/* Applies schema/NNNN_name.sql in order, under an advisory lock, each in its transaction, recorded
 * with its SHA-256. `pg` connects as the owner. `say` is called per file (may be NULL). */
wf_status_t wf_migrate(wf_ctx_t *ctx, wf_migrate_report_t *out, wf_pg_t *pg, const char *folder,
                       void (*say)(const char *file, void *baton), void *baton) WF_MUST_CHECK;
wf_status_t wf_migrate_status(wf_ctx_t *ctx, wf_migrate_report_t *out, wf_pg_t *pg,
                              const char *folder) WF_MUST_CHECK;
/* Newest applied version, as the runtime role sees it (a SECURITY DEFINER function). */
wf_status_t wf_schema_version(wf_ctx_t *ctx, int *version, const wf_store_t *store) WF_MUST_CHECK;

/* ---- tenants (wf_tenant_store.c) ---------------------------------------------------------------- */

/* From PostgreSQL, not the cache: the record text that wf_tenant_parse reads, any status. `account`:
 * NULL (default account), a UUID or a phone_number_id. Expected failure: WF_ENOTFOUND. */
wf_status_t wf_tenant_record_load(wf_ctx_t *ctx, const char **text, size_t *len,
                                  const wf_store_t *store, const char *slug,
                                  const char *account) WF_MUST_CHECK;
/* JSON array of the company's other active accounts, at most WF_TENANT_ACCOUNTS_MAX - 1. */
wf_status_t wf_tenant_others_load(wf_ctx_t *ctx, const char **text, size_t *len,
                                  const wf_store_t *store, const char *company_id,
                                  const char *except_account_id) WF_MUST_CHECK;

/* ---- companies (wf_company_store.c) --------------------------------------------------------------- */

typedef struct {
    const char *slug, *name, *display_name, *email, *phone;
    const char *plan;            /* NULL: starter */
    const char *status;          /* NULL: active */
    int64_t max_monthly_messages; /* -1: the plan's; 0: no limit */
    int max_accounts, max_flows;  /* -1: the plan's; 0: no limit */
    const char *settings;        /* JSON object text; NULL: {} */
} wf_company_new_t;

/* Creates the company and its data key (wrapped by the ring's primary). WF_ECONFLICT: slug taken;
 * WF_EINVALID: public text names the field; WF_ELIMIT: WflowsTenantMaxCompanies (max 0: no limit). */
wf_status_t wf_company_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const wf_company_new_t *company,
                              int max_companies, const wf_actor_t *actor) WF_MUST_CHECK;
/* JSON objects as the API will show them (no sealed values). `after`: id of the last one seen, NULL. */
wf_status_t wf_company_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *after, int limit) WF_MUST_CHECK;
/* By slug or id. WF_ENOTFOUND. */
wf_status_t wf_company_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *slug_or_id) WF_MUST_CHECK;
/* WF_ENOTFOUND unless there is a company of this id, whatever its status. */
wf_status_t wf_company_check(wf_ctx_t *ctx, const wf_store_t *store,
                             const char *company_id) WF_MUST_CHECK;
/* Changes the members that are present in `change` (name, display_name, email, phone, status,
 * subscription_plan, max_*, settings (merged, RFC 7396), suspension_reason). Unknown ones: EINVALID. */
wf_status_t wf_company_update(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_json_t *change, const wf_actor_t *actor) WF_MUST_CHECK;
/* Soft delete: the slug is free again, the rows stay until the company is erased. */
wf_status_t wf_company_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- data keys (wf_data_key_store.c) ----------------------------------------------------------- */

/* The company's current data key in clear (caller wipes). */
wf_status_t wf_data_key_load(wf_ctx_t *ctx, wf_data_key_t *out, const wf_store_t *store,
                             const wf_keyring_t *ring, const char *company_id) WF_MUST_CHECK;
/* The one that `sealed` was sealed with: it may have been retired since. */
wf_status_t wf_data_key_load_sealed(wf_ctx_t *ctx, wf_data_key_t *out, const wf_store_t *store,
                                    const wf_keyring_t *ring, const char *company_id,
                                    const char *sealed) WF_MUST_CHECK;
/* Wraps every data key that another master key wrapped with the ring's primary, in batches,
 * resumable (each row in its own small transaction); caches are invalidated. A key whose own master key
 * is not in the ring is logged, passed by, and counted in *left. */
wf_status_t wf_data_keys_rewrap(wf_ctx_t *ctx, int *done, int *left, const wf_store_t *store,
                                const wf_keyring_t *ring, const wf_actor_t *actor) WF_MUST_CHECK;
/* {master key id: number of data keys} */
wf_status_t wf_data_keys_usage(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store) WF_MUST_CHECK;

/* ---- accounts (wf_account_store.c) ------------------------------------------------------------- */

typedef struct {
    const char *name, *phone_number, *display_name, *phone_number_id, *waba_id;
    const char *status;            /* NULL: active */
    const char *default_flow_name; /* NULL: none */
    int is_default;                /* the first account is the default anyway */
    const char *callback_webhook_url;
    const char *callback_event_types; /* patterns between commas; NULL: flow_completed */
    int flow_endpoint_timeout_ms;  /* 0: 2500 */
    int64_t rate_max;              /* 0: no limit; -1: default (600 per window) */
    int64_t rate_window_ms;        /* 0: 60000 */
    /* secrets in clear, sealed on the way in; NULL: not set */
    const char *access_token, *app_secret, *verify_token, *callback_secret;
    const char *settings;
} wf_account_new_t;

/* callback_event_types as an array, from patterns between commas or spaces; NULL text: what a company wants
 * unless it says otherwise. They are not checked here. */
wf_json_t *wf_account_event_types(apr_pool_t *pool, const char *text);

/* `max_accounts`: the installation's limit (0: none); the company's or its plan's holds too. Errors as
 * wf_company_create. */
wf_status_t wf_account_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                              const wf_keyring_t *ring, const char *company_id,
                              const wf_account_new_t *account, int max_accounts,
                              const wf_actor_t *actor) WF_MUST_CHECK;
/* The same from members as a caller of the API sends them, secrets in clear; faults name each that is wrong. */
wf_status_t wf_account_add(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                           const wf_keyring_t *ring, const char *company_id,
                           const wf_json_t *members, int max_accounts,
                           const wf_actor_t *actor) WF_MUST_CHECK;
/* Without secrets: has_access_token and the like instead. */
wf_status_t wf_account_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id) WF_MUST_CHECK;
/* By id, name or phone_number_id. */
wf_status_t wf_account_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *which) WF_MUST_CHECK;
/* Members present in `change`; secret members (access_token, app_secret, verify_token,
 * callback_secret) come in clear and are sealed. A new app_secret or callback_secret moves the old one
 * to previous_… for `overlap` (negative: 24 h; 0: not at all); taking it away takes both. A new
 * callback_webhook_url or callback_secret enables callbacks again. */
wf_status_t wf_account_update(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                              const char *company_id, const char *account_id,
                              const wf_json_t *change, apr_interval_time_t overlap,
                              const wf_actor_t *actor) WF_MUST_CHECK;
/* The same, but members that are absent go back to what a new account has; absent secrets stay. */
wf_status_t wf_account_replace(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                               const char *company_id, const char *account_id,
                               const wf_json_t *members, apr_interval_time_t overlap,
                               const wf_actor_t *actor) WF_MUST_CHECK;
/* The new key becomes current; the old one stays valid for `overlap` (negative: 24 h; 0: not at all). */
wf_status_t wf_account_set_key(wf_ctx_t *ctx, const wf_store_t *store, const wf_keyring_t *ring,
                               const char *company_id, const char *account_id,
                               const wf_rsa_key_t *key, apr_interval_time_t overlap,
                               const wf_actor_t *actor) WF_MUST_CHECK;
/* The receiver at `url` said that it is gone: callbacks of the account wait until it has a new URL or
 * secret. WF_OK too where the URL is another one by now. */
wf_status_t wf_account_disable_callback(wf_ctx_t *ctx, const wf_store_t *store,
                                        const char *company_id, const char *account_id,
                                        const char *url, const wf_actor_t *actor) WF_MUST_CHECK;
/* Meta's handshake came with the account's verify token; the first time is kept. */
wf_status_t wf_webhook_verified(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *account_id) WF_MUST_CHECK;
/* Also makes the one before not the default. */
wf_status_t wf_account_set_default(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                   const char *account_id, const wf_actor_t *actor) WF_MUST_CHECK;
/* Soft delete. Where it was the default, the company has none until one is set or made. */
wf_status_t wf_account_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const char *account_id, const wf_actor_t *actor) WF_MUST_CHECK;
/* Unsealed: "app_secret" or "access_token". WF_ENOTFOUND: not set. */
wf_status_t wf_account_secret_load(wf_ctx_t *ctx, wf_secret_t *out, const wf_store_t *store,
                                   const wf_keyring_t *ring, const char *company_id,
                                   const char *account_id, const char *column) WF_MUST_CHECK;
/* What Meta says of the number, in small letters; with "verified" an account that waited for it is active. */
#define WF_VERIFICATION_VERIFIED "verified"
wf_status_t wf_account_set_verification(wf_ctx_t *ctx, const wf_store_t *store,
                                        const char *company_id, const char *account_id,
                                        const char *status, const wf_actor_t *actor) WF_MUST_CHECK;

/* A key and how long the one before goes on, as a caller of the API sends them; what they are called is checked, not
 * the key. */
typedef struct {
    apr_interval_time_t overlap; /* -1: not said */
    const char *private_key;     /* PEM; NULL where it is not for importing */
    const char *passphrase;      /* NULL: none */
} wf_key_input_t;
wf_status_t wf_key_input_read(wf_ctx_t *ctx, wf_key_input_t *out, const wf_json_t *body,
                              int importing) WF_MUST_CHECK;
/* 1 if the members hold a secret of an account, to be set or taken away. */
int wf_account_has_secret(const wf_json_t *members);

/* A key rotation: begun, so that the next key decrypts too; then Meta is told, with no transaction open; then
 * ended. One at a time: a second one, and one that was overtaken, fail with WF_ECONFLICT. */
typedef struct {
    char id[WF_UUID_LEN + 1];
    const char *public_key; /* PEM, for Meta: `key`'s, or that of a rotation that was not finished */
    wf_json_t *account;     /* as it was before */
} wf_key_rotation_t;
typedef enum {
    WF_ROTATION_DONE,    /* the next key is the current one; the one before stays valid for the overlap */
    WF_ROTATION_REFUSED, /* Meta does not have the next key: it is dropped */
    WF_ROTATION_UNSURE   /* Meta may have it: it goes on decrypting beside the current one */
} wf_rotation_end_t;
wf_status_t wf_account_rotation_begin(wf_ctx_t *ctx, wf_key_rotation_t *out,
                                      const wf_store_t *store, const wf_keyring_t *ring,
                                      const char *company_id, const char *account_id,
                                      const wf_rsa_key_t *key,
                                      const wf_actor_t *actor) WF_MUST_CHECK;
/* `overlap` as wf_account_set_key. */
wf_status_t wf_account_rotation_end(wf_ctx_t *ctx, const wf_store_t *store,
                                    const wf_keyring_t *ring, const wf_key_rotation_t *rotation,
                                    wf_rotation_end_t end, apr_interval_time_t overlap,
                                    const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- flows (wf_flow_store.c) ---------------------------------------------------------------------- */

/* Flow names in paths: letters, digits, '_', '-', '.', 1 to 64. */
int wf_flow_name_is(const char *name);

typedef struct {
    const char *name;
    const char *display_name;   /* NULL: name */
    const char *account_id;     /* NULL: any account of the company */
    const char *flow_json;      /* text as given */
    const char *logic;          /* text, NULL: none */
    const char *plan;           /* compiled by the caller (wf_plan_compile) */
    int activate;               /* the new version becomes the active one */
} wf_flow_new_t;

/* A new flow, or a new version of the flow of that name, which keeps its display name and account where
 * these are NULL. *version is 1, 2, … Errors as wf_company_create; max_flows as max_accounts. */
wf_status_t wf_flow_save(wf_ctx_t *ctx, const char **id, int *version, const wf_store_t *store,
                         const char *company_id, const wf_flow_new_t *flow, int max_flows,
                         const wf_actor_t *actor) WF_MUST_CHECK;
/* What a version is made of. */
typedef struct {
    const char *flow_json, *logic; /* texts; logic NULL: none */
    const char *plan;              /* compiled by the caller */
    int activate;
    int after;                     /* of an update: the newest version that the caller knows */
} wf_flow_version_t;
/* A new flow of `members` (name, display_name, account_id) and its first version. What the caller found wrong
 * before (faults of ctx) is told with the rest. WF_ECONFLICT: name_taken. */
wf_status_t wf_flow_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_flow_version_t *version, const wf_actor_t *actor) WF_MUST_CHECK;
/* Members present in `members`, and a new version where `version` is not NULL. WF_ECONFLICT: it is not the next
 * one after that which the caller knows. */
wf_status_t wf_flow_update(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *flow_id, const wf_json_t *members,
                           const wf_flow_version_t *version, const wf_actor_t *actor) WF_MUST_CHECK;
/* The audit row of issuing tokens. */
wf_status_t wf_flow_note_tokens(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *flow_id, const char *account_id, int count,
                                const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_flow_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                         const char *company_id) WF_MUST_CHECK;
wf_status_t wf_flow_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *name_or_id) WF_MUST_CHECK;
/* status "active" or "inactive". `version`: becomes the active one; 0: none, but activating a flow that has no
 * active version activates its newest. */
wf_status_t wf_flow_set_status(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const char *flow_id, const char *status, int version,
                               const wf_actor_t *actor) WF_MUST_CHECK;
/* What became of it at Meta; the audit row's action is "flow.meta_<status>". */
#define WF_META_DRAFT "draft"
#define WF_META_PUBLISHED "published"
#define WF_META_DEPRECATED "deprecated"
typedef struct {
    const char *id, *status; /* NULL id: as before */
    int version;             /* of ours, that is there now; 0: as before */
} wf_flow_meta_t;
wf_status_t wf_flow_set_meta(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *flow_id, const wf_flow_meta_t *meta,
                             const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_flow_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *flow_id, const wf_actor_t *actor) WF_MUST_CHECK;

/* A flow's plan as the hot path needs it. */
typedef struct {
    const char *flow_id;
    const char *name;
    int version;
    const char *plan;
    size_t plan_len;
} wf_flow_plan_t;

/* From PostgreSQL: the plan of version `version` (0: the active one) of an active flow; `flow` is a name.
 * WF_ENOTFOUND. */
wf_status_t wf_flow_plan_load(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                              const char *company_id, const char *name, int version) WF_MUST_CHECK;
wf_status_t wf_flow_name_by_id(wf_ctx_t *ctx, const char **name, const wf_store_t *store,
                               const char *company_id, const char *flow_id) WF_MUST_CHECK;
/* A version as JSON text: {flow_id, version, active, flow_json, logic, …}. `version` is a number as a caller wrote
 * it. WF_ENOTFOUND. */
wf_status_t wf_flow_version_show(wf_ctx_t *ctx, const char **text, size_t *len,
                                 const wf_store_t *store, const char *company_id,
                                 const char *flow_id, const char *version) WF_MUST_CHECK;
/* Flow JSON and logic of a version, for a plan of an older format that has to be compiled anew. */
wf_status_t wf_flow_source_load(wf_ctx_t *ctx, const char **flow_json, const char **logic,
                                const wf_store_t *store, const char *company_id, const char *name,
                                int version) WF_MUST_CHECK;

/* ---- billing (wf_billing_store.c) ----------------------------------------------------------------- */

typedef enum {
    WF_BILLING_DUPLICATE, /* that event was here before */
    WF_BILLING_UNLINKED,  /* stored; which company's it is, a later one may tell */
    WF_BILLING_STORED,    /* stored; nothing of the company changes */
    WF_BILLING_APPLIED    /* the company's plan, limits or status changed */
} wf_billing_result_t;

/* Stores an event and brings the company to the state that all its events say: plan (its limits become the
 * plan's), and status: suspended when a payment is overdue for longer than `grace`, active again when all is
 * paid, if it was billing that suspended it. One transaction. `payload` is the event's text. */
wf_status_t wf_billing_store(wf_ctx_t *ctx, wf_billing_result_t *out, const wf_store_t *store,
                             const wf_billing_event_t *event, const char *payload,
                             apr_interval_time_t grace, const wf_actor_t *actor) WF_MUST_CHECK;
/* Active companies (const char *: ids) whose grace is over, at most `limit`. */
wf_status_t wf_billing_overdue(wf_ctx_t *ctx, apr_array_header_t **ids, const wf_store_t *store,
                               apr_interval_time_t grace, int limit) WF_MUST_CHECK;
/* Brings a company to the state its events say, as time passes. WF_ENOTFOUND: it is gone. */
wf_status_t wf_billing_settle(wf_ctx_t *ctx, int *changed, const wf_store_t *store,
                              const char *company_id, apr_interval_time_t grace,
                              const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- audit (wf_audit_store.c) -------------------------------------------------------------------- */

/* In the caller's open transaction. `old_values`/`new_values`: JSON text without secrets, or NULL. */
typedef struct {
    const char *company_id; /* NULL: platform */
    const char *action;     /* "company.created" */
    const char *resource_type, *resource_id;
    const char *old_values, *new_values, *metadata;
} wf_audit_t;
wf_status_t wf_audit_add(wf_ctx_t *ctx, wf_pg_conn_t *conn, const wf_audit_t *row,
                         const wf_actor_t *actor) WF_MUST_CHECK;
/* The same in a transaction of its own: nothing else is written with it. */
wf_status_t wf_audit_write(wf_ctx_t *ctx, const wf_store_t *store, const wf_audit_t *row,
                           const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- usage (wf_usage_store.c) ------------------------------------------------------------------- */

/* Adds to usage_counters (company, month, metric). Called by the flush of a child's counters. */
wf_status_t wf_usage_add(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const char *month, const char *metric, int64_t n) WF_MUST_CHECK;
wf_status_t wf_usage_load(wf_ctx_t *ctx, int64_t *n, const wf_store_t *store,
                          const char *company_id, const char *month,
                          const char *metric) WF_MUST_CHECK;

/* ---- what companies' traffic is counted by (wf_tally_store.c) ----------------------------------------- */

typedef struct {
    const char *slug, *company_id;
    const char *field; /* "<metric>{<labels>" */
    int64_t n;
} wf_tally_row_t;

/* Adds to the counters in Redis, in one round trip. WF_EUNAVAIL. */
wf_status_t wf_tally_save(wf_ctx_t *ctx, const wf_store_t *store, const wf_tally_row_t *rows,
                          int count) WF_MUST_CHECK;
/* *figures: field -> count. WF_EUNAVAIL. */
wf_status_t wf_tally_load(wf_ctx_t *ctx, apr_table_t **figures, const wf_store_t *store,
                          const char *slug, const char *company_id) WF_MUST_CHECK;

/* ---- admission (wf_admit_store.c): one Redis round trip ----------------------------------------------- */

/* What the record is cached with, so that the script need not read JSON. */
typedef struct {
    const char *status;     /* "active", "inactive", "none" */
    const char *record;     /* wf_tenant_format; "" when none */
    size_t record_len;
    int64_t company_max, company_window_ms; /* 0: no limit */
    int64_t account_max, account_window_ms;
    int64_t quota;
    const char *account_id; /* "-": none */
} wf_ctx_entry_t;

typedef struct {
    const char *slug;
    const char *account; /* as named; NULL: default */
    int charge;
    int64_t platform_max, platform_window_ms;
} wf_admit_query_t;

typedef enum { WF_ADMIT_REPLY_MISS, WF_ADMIT_REPLY_ENTRY, WF_ADMIT_REPLY_LIMITED, WF_ADMIT_REPLY_QUOTA } wf_admit_reply_kind_t;

typedef struct {
    wf_admit_reply_kind_t kind;
    const char *generation; /* with MISS: to be handed to wf_admit_save */
    const char *status;     /* as cached */
    wf_slice_t record;
    const char *scope; /* of the limit that refused or is tightest; NULL: none */
    int64_t max, window_ms, remaining, reset_us;
    int quota_unseeded; /* the month's counter does not know what PostgreSQL has */
} wf_admit_reply_t;

/* Reads the cached context, applies the limits (GCRA: a burst of `max`, refilled evenly over the window)
 * and the quota, in one round trip; a miss needs a second one, for `generation`. Expected failure:
 * WF_EUNAVAIL. */
wf_status_t wf_admit_query(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                           const wf_admit_query_t *query) WF_MUST_CHECK;
/* Caches the entry and applies its own limits, in one round trip. *out: as if it had been found; its record is
 * the entry's. WF_ADMIT_REPLY_MISS: the company changed since `generation` was read, nothing was cached. */
wf_status_t wf_admit_save(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                          const wf_admit_query_t *query, const wf_ctx_entry_t *entry,
                          const char *generation) WF_MUST_CHECK;
/* Tells the month's counter what PostgreSQL had counted before. */
wf_status_t wf_use_seed(wf_ctx_t *ctx, const wf_store_t *store, const char *slug, const char *month,
                        int64_t base) WF_MUST_CHECK;
/* "2026-11" in UTC. */
const char *wf_month(apr_pool_t *pool, apr_time_t t);

/* ---- exchange (wf_exchange_store.c): the second Redis round trip ------------------------------------------ */

typedef struct {
    const wf_tenant_t *tenant;
    const char *token_hash;   /* NULL: the token names nobody */
    const char *flow_name;    /* NULL: the session's, then `default_flow` */
    int flow_version;         /* 0: the active one */
    const char *default_flow; /* NULL: none */
    int count_use;            /* one more message of this month */
} wf_exchange_query_t;

typedef struct {
    wf_session_t *session;  /* NULL: none seen */
    int session_known;      /* 1: PostgreSQL or the cache answered for it; 0: only that the cache has none */
    wf_flow_plan_t plan;    /* plan.plan NULL: no such flow */
    int flow_cached, session_cached;
} wf_exchange_state_t;

/* Session and plan, from Redis in one round trip (two when the session is not on the flow and version of the
 * query, or the plan is not cached); what it lacks comes from PostgreSQL (a plan always; a session only when
 * Redis is down, because the commit tells when the cache was wrong). */
wf_status_t wf_exchange_load(wf_ctx_t *ctx, wf_exchange_state_t *out, const wf_store_t *store,
                             const wf_exchange_query_t *query) WF_MUST_CHECK;
/* The plan of one version (0: active), from the cache or PostgreSQL; WF_ENOTFOUND. */
wf_status_t wf_exchange_plan(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                             const wf_tenant_t *tenant, const char *name, int version) WF_MUST_CHECK;

/* ---- sessions (wf_session_store.c) ---------------------------------------------------------------------------- */

/* From PostgreSQL. WF_ENOTFOUND. */
wf_status_t wf_session_load(wf_ctx_t *ctx, wf_session_t **out, const wf_store_t *store,
                            const char *company_id, const char *token_hash) WF_MUST_CHECK;

#define WF_STEP_PARAMS 15 /* as wflows.session_steps takes them */
#define WF_STEP_MEDIA 14 /* index: what wf_media_files_seal made of the files that came; NULL: none */

/* One step on its way to the database; made by the request's thread, filled by whoever commits it. */
typedef struct wf_step_t {
    wf_pg_param_t params[WF_STEP_PARAMS];
    const char *redis_key, *cached; /* what the cache gets, under which key */
    size_t cached_len;
    int cache_ttl_s;
    /* result */
    wf_status_t status;       /* WF_OK; WF_ECONFLICT: `stored` is what PostgreSQL has; or a failure */
    const char *stored;       /* in the pool of the context it was made with; NULL: no such session */
    size_t stored_len;
    wf_ctx_t *ctx;
} wf_step_t;

wf_step_t *wf_step_make(wf_ctx_t *ctx, const wf_store_t *store, const wf_tenant_t *tenant,
                        const wf_session_t *session, const char *api_version,
                        const wf_json_t *response);
/* Commits the steps as one transaction in one round trip; where one of them fails, each alone. Results are in
 * the steps. `ctx` is the committing thread's own. */
void wf_steps_commit(wf_ctx_t *ctx, const wf_store_t *store, wf_step_t **steps, int count);
/* Sends the committed sessions to the cache, one way. */
void wf_steps_publish(wf_ctx_t *ctx, wf_redis_feed_t *feed, wf_step_t **steps, int count);

/* Stores an error notification (WHATSAPP.md 1.11) as an event; the same one twice is one. */
wf_status_t wf_error_event_save(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *account_id, const char *dedup_key,
                                const char *payload) WF_MUST_CHECK;

/* ---- webhooks (wf_intake_store.c) --------------------------------------------------------------------- */

/* JSON array of the secrets of the company's accounts, the default one first, `max` of them at most: id,
 * app_secret, previous_app_secret, previous_secret_until_us, verify_token (sealed, or null). */
wf_status_t wf_webhook_secrets_load(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                                    const char *company_id, int max) WF_MUST_CHECK;

typedef enum { WF_INTAKE_STORED, WF_INTAKE_DUPLICATE, WF_INTAKE_UNROUTED } wf_intake_outcome_t;

/* One event on its way in. */
typedef struct {
    const wf_wa_event_t *event;
    const char *token_hash;      /* of its flow_token; NULL: it names nobody */
    const char *files;           /* of its answers, as wf_media_files_seal makes them; NULL: none */
    wf_intake_outcome_t outcome; /* result */
} wf_intake_row_t;

/* Stores the events of one POST and all that follows from them (sessions, responses, counters, opt-outs,
 * health, files to fetch, outbox) in one transaction and one round trip. `named_account`: the id of the account that the path
 * names, or NULL. *completed: const char *, token hashes of the sessions that are completed by it.
 * WF_EUNAVAIL, WF_ECONFLICT: nothing is stored (or nobody knows), try again. */
wf_status_t wf_intake_save(wf_ctx_t *ctx, apr_array_header_t **completed, const wf_store_t *store,
                           const char *company_id, const char *named_account,
                           wf_intake_row_t *rows, int count) WF_MUST_CHECK;

/* ---- cache invalidation (wf_cache_store.c) ----------------------------------------------------------- */

/* After a change: bumps the company's generation and deletes its contexts (and, with `flow_name`, that
 * flow's plans). WF_EUNAVAIL when Redis did not do it. */
wf_status_t wf_cache_forget_company(wf_ctx_t *ctx, const wf_store_t *store, const char *slug) WF_MUST_CHECK;
wf_status_t wf_cache_forget_flow(wf_ctx_t *ctx, const wf_store_t *store, const char *slug,
                                 const char *flow_name) WF_MUST_CHECK;
/* Deletes cached sessions (token hashes, const char *). WF_EUNAVAIL when Redis did not do it: then leave them to
 * the outbox worker. Until it has, the commit of a step finds out that its session is not what the cache says. */
wf_status_t wf_cache_forget_sessions(wf_ctx_t *ctx, const wf_store_t *store, const char *slug,
                                     const apr_array_header_t *token_hashes) WF_MUST_CHECK;
wf_status_t wf_cache_leave_sessions(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                    const char *slug,
                                    const apr_array_header_t *token_hashes) WF_MUST_CHECK;
/* Deletes every key of a company, for its erasure; *count: how many. Walks all keys that there are. What is remembered
 * of its API keys and people has no name of the company's; it ends by itself within a minute. */
wf_status_t wf_cache_erase(wf_ctx_t *ctx, int64_t *count, const wf_store_t *store, const char *slug,
                           const char *company_id) WF_MUST_CHECK;

/* ---- what wflowsctl doctor looks at (wf_doctor_store.c) ------------------------------------------------ */

/* {server_version, server_version_num, now_us, role, superuser, bypassrls, owner, platform_inherited,
 * tenant_tables, unprotected: [tables without forced row security]}. Works before the first migration. */
wf_status_t wf_database_report(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store) WF_MUST_CHECK;

#endif
