/* What the stores share among themselves. Internal to lib/store. */
#ifndef WF_STORE_INT_H
#define WF_STORE_INT_H

#include "store/wf_sql.h"
#include "store/wf_store.h"

/* ---- one statement (wf_store.c) --------------------------------------------------------- */

/* As the company: acquire, one round trip, release. */
wf_status_t wf_store_query(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                           const char *company_id, wf_sql_id_t id,
                           const wf_pg_param_t *params) WF_MUST_CHECK;
/* Without a tenant: what the runtime role may see of it is a SECURITY DEFINER function. */
wf_status_t wf_store_query_plain(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                                 wf_sql_id_t id, const wf_pg_param_t *params) WF_MUST_CHECK;
/* As wflows_platform: every row of every company. */
wf_status_t wf_store_query_platform(wf_ctx_t *ctx, wf_pg_result_t **out, const wf_store_t *store,
                                    wf_sql_id_t id, const wf_pg_param_t *params) WF_MUST_CHECK;

/* A cell that holds JSON. */
wf_status_t wf_store_json(wf_ctx_t *ctx, wf_json_t **out, const wf_pg_result_t *res, int row,
                          int column) WF_MUST_CHECK;
/* A statement, as the company or as wflows_platform, whose only cell is a JSON document. */
wf_status_t wf_store_document(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id, wf_sql_id_t id,
                              const wf_pg_param_t *params) WF_MUST_CHECK;
wf_status_t wf_store_document_platform(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                       wf_sql_id_t id, const wf_pg_param_t *params) WF_MUST_CHECK;
int64_t wf_store_int(const wf_pg_result_t *res, int row, int column);
/* `text` if it is a UUID, else NULL: a look-up by "id or name" asks for both in one statement. */
const char *wf_store_uuid(const char *text);
/* A text[] parameter in PostgreSQL's text form: begun with an empty buffer, one call for each value
 * (NULL is SQL NULL), then the end, which answers NULL where the buffer's maximum was too small. */
void wf_store_array_add(wf_buf_t *out, const char *value);
void wf_store_array_add_slice(wf_buf_t *out, wf_slice_t value); /* without NUL */
const char *wf_store_array_end(wf_buf_t *out);

/* ---- one change (wf_change.c) ----------------------------------------------------------- */

/* A transaction that writes its audit row and its outbox row, and after its commit deletes what is
 * cached of it. Used as: begin; work while WF_OK; end, whatever happened. */
typedef struct {
    const wf_store_t *store;
    const wf_actor_t *actor;
    const char *company_id; /* as stored: what is sealed is bound to its letters */
    const char *slug;
    int64_t max_accounts, max_flows;  /* the company's own or its plan's; 0: no limit */
    int four_eyes; /* the company wants a second person's yes to what asks wf_change_approve */
    int forget_contexts;              /* 1 unless the change is of one flow only */
    apr_array_header_t *forget_flows; /* of const char *: flow names */
    apr_array_header_t *forget_auth;  /* of const char *: names of wf_auth_store.h */
    wf_pg_conn_t *conn;
    int touched; /* something was changed and audited */
} wf_change_t;

/* With the tenant set. Locks the company's row, so that changes of one company take turns.
 * WF_ENOTFOUND: no such company. */
wf_status_t wf_change_begin(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                            const char *company_id, const wf_actor_t *actor) WF_MUST_CHECK;
/* As wflows_platform; the caller knows the company. */
wf_status_t wf_change_begin_platform(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                                     const char *company_id, const char *slug,
                                     const wf_actor_t *actor) WF_MUST_CHECK;
/* A violated constraint becomes a public text that names the field. */
wf_status_t wf_change_exec(wf_ctx_t *ctx, wf_pg_result_t **out, wf_change_t *change, wf_sql_id_t id,
                           const wf_pg_param_t *params) WF_MUST_CHECK;
/* The same where one row with JSON in its first column comes back; WF_ENOTFOUND for none. */
wf_status_t wf_change_exec_json(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, wf_sql_id_t id,
                                const wf_pg_param_t *params) WF_MUST_CHECK;
/* WF_ESTALE where the actor's If-Match is of another version than `old_doc`: before anything is changed. */
wf_status_t wf_change_expect(wf_ctx_t *ctx, const wf_change_t *change,
                             const wf_json_t *old_doc) WF_MUST_CHECK;
/* The audit row: members that differ between the two (either may be NULL). Writes none where
 * nothing differs. `type` is the first word of `action`. */
wf_status_t wf_change_audit(wf_ctx_t *ctx, wf_change_t *change, const char *action,
                            const char *resource_id, const wf_json_t *old_doc,
                            const wf_json_t *new_doc) WF_MUST_CHECK;
void wf_change_forget_flow(wf_change_t *change, const char *flow_name);
/* What is known of a caller: "user:<id>", "key:<look-up id>", "*". */
void wf_change_forget_auth(wf_change_t *change, const char *name);
/* To be asked before a change of credentials, a deletion and the like. WF_OK: nobody has to agree, or somebody has
 * (the approval is decided in this transaction, once). WF_ECONFLICT with code WF_APPROVAL_NEEDED: a second person has
 * to agree; the API's frame makes a request for that of it. Other codes: it is decided, expired, or the caller's own. */
wf_status_t wf_change_approve(wf_ctx_t *ctx, wf_change_t *change) WF_MUST_CHECK;
/* For an audit row: what the actor's approval was; NULL: none. */
const char *wf_approval_metadata(apr_pool_t *pool, const wf_actor_t *actor);
/* Commits if `st` is WF_OK, else rolls back; returns how it ended. Redis being down is no failure:
 * the outbox has it. */
wf_status_t wf_change_end(wf_ctx_t *ctx, wf_change_t *change, wf_status_t st) WF_MUST_CHECK;

/* The members of `members`, which are known to be right, into the company's row, with its audit row
 * (wf_company_store.c). */
wf_status_t wf_company_apply(wf_ctx_t *ctx, wf_change_t *change,
                             const wf_json_t *members) WF_MUST_CHECK;

/* WF_ELIMIT where `used` of the tighter of two limits (0: none) are taken; `what` names them. */
wf_status_t wf_change_limit(wf_ctx_t *ctx, int64_t used, int64_t limit, int64_t other,
                            const char *what) WF_MUST_CHECK;

/* ---- input (wf_fields.c) ---------------------------------------------------------------- */

typedef enum {
    WF_FIELD_TEXT,   /* min to max characters, none of them a control character */
    WF_FIELD_FORM,   /* text that `is` accepts */
    WF_FIELD_WORD,   /* one of the words in `expected` */
    WF_FIELD_INT,    /* min to max */
    WF_FIELD_BOOL,
    WF_FIELD_OBJECT, /* of at most max bytes of text */
    WF_FIELD_LIST,   /* min to max texts, each one that `is` accepts */
    WF_FIELD_SECRET  /* min to max bytes */
} wf_field_kind_t;

#define WF_FIELD_NEEDED 1   /* there when a record is made, never null */
#define WF_FIELD_NOT_NULL 2 /* has a default */
#define WF_FIELD_FIXED 4    /* set when the record is made, never changed */

/* A member that a caller may set; its name is the column's. */
typedef struct {
    const char *name;
    wf_field_kind_t kind;
    unsigned flags;
    int64_t min, max;
    int (*is)(const char *text);
    const char
        *expected; /* FORM: what `is` wants, in words; WORD: the words, separated by spaces */
} wf_field_t;

/* Every problem at once, as faults and in the public text ("slug: …; name: …"): unknown members, missing
 * ones (when `making`), wrong types, lengths and forms. What the caller found wrong before counts too. */
wf_status_t wf_fields_check(wf_ctx_t *ctx, const wf_field_t *fields, size_t count,
                            const wf_json_t *object, int making) WF_MUST_CHECK;
/* The same as faults alone, of an object that stands at the JSON Pointer `at`. */
void wf_fields_faults(wf_ctx_t *ctx, const char *at, const wf_field_t *fields, size_t count,
                      const wf_json_t *object, int making);
/* For PUT: `object` with each member that it lacks at what `defaults` has for it, else null. What is fixed or
 * secret stays as it is. Shares with both. */
wf_json_t *wf_fields_filled(apr_pool_t *pool, const wf_field_t *fields, size_t count,
                            const wf_json_t *object, const wf_json_t *defaults);
/* RFC 7396: a new value; shares what it can with `target` and `patch`. */
wf_json_t *wf_fields_merge(apr_pool_t *pool, const wf_json_t *target, const wf_json_t *patch);
/* The members of `change`, object ones merged into those of `current`, secret ones left out.
 * WF_EINVALID when a merged one has grown too big. */
wf_status_t wf_fields_row(wf_ctx_t *ctx, wf_json_t **row, const wf_field_t *fields, size_t count,
                          const wf_json_t *current, const wf_json_t *change) WF_MUST_CHECK;
/* An object from text that a caller gave; NULL text is {}. */
wf_status_t wf_fields_object(wf_ctx_t *ctx, wf_json_t **out, const char *name,
                             const char *text) WF_MUST_CHECK;

int wf_form_is_word(const char *text, const char *words); /* words between single spaces */
int wf_form_is_meta_id(const char *text); /* 5 to 20 digits */
int wf_form_is_phone(const char *text);
int wf_form_is_email(const char *text);
int wf_form_is_event_pattern(const char *text); /* "a.type", "prefix.*" or "*" */
int wf_form_is_time(const char *text); /* a date or a time of RFC 3339 */
int wf_form_is_url(const char *text); /* http(s), no user name, no space */

/* ---- keys and cache --------------------------------------------------------------------- */

/* In the open transaction: the current data key, or the one with this id. The caller wipes. */
wf_status_t wf_data_key_read(wf_ctx_t *ctx, wf_data_key_t *out, wf_pg_conn_t *conn,
                             const wf_keyring_t *ring, const char *company_id,
                             const char *key_id) WF_MUST_CHECK;
/* From a row that begins with company id, key id, wrapped key. WF_ENOTFOUND for no row. */
wf_status_t wf_data_key_of_row(wf_ctx_t *ctx, wf_data_key_t *out, const wf_keyring_t *ring,
                               const wf_pg_result_t *res) WF_MUST_CHECK;

/* One round trip. `flows` are names; `contexts` 1 deletes the company's contexts too. */
wf_status_t wf_cache_forget(wf_ctx_t *ctx, const wf_store_t *store, const char *slug, int contexts,
                            const char *const *flows, int flow_count) WF_MUST_CHECK;

#endif
