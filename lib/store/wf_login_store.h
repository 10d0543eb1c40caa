/* L4: log-ins of people: their sessions and refresh tokens, of which only hashes are kept. */
#ifndef WF_LOGIN_STORE_H
#define WF_LOGIN_STORE_H

#include "store/wf_store.h"

/* What the routes of /auth take. WF_EINVALID with a fault for each member that is wrong. */
typedef enum { WF_FORM_LOGIN, WF_FORM_REFRESH, WF_FORM_LOGOUT, WF_FORM_PASSWORD } wf_login_form_t;
wf_status_t wf_login_check(wf_ctx_t *ctx, wf_login_form_t form,
                           const wf_json_t *members) WF_MUST_CHECK;

/* {id, company_id, role, password_hash, companies}; `tenant` NULL: not named. WF_ENOTFOUND: nobody may log in so. */
wf_status_t wf_login_record_load(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                 const char *email, const char *tenant) WF_MUST_CHECK;

/* A log-in. `token_hash` is hex of SHA-256. */
typedef struct {
    const char *company_id; /* in which it is kept */
    const char *session_id, *user_id;
    const char *tenant_id; /* that its tokens name; NULL: none */
    const char *role;      /* there */
    const char *token_hash;
    apr_time_t expires_at;
} wf_login_session_t;

/* With its audit row. */
wf_status_t wf_login_begin(wf_ctx_t *ctx, const wf_store_t *store,
                           const wf_login_session_t *session,
                           const wf_actor_t *actor) WF_MUST_CHECK;
/* The refresh token `old_hash` for the one in `session`, whose company, session, user and tenant are set here.
 * WF_EDENIED: not valid (any more); one that was used before ends its session, with an audit row. */
wf_status_t wf_login_refresh(wf_ctx_t *ctx, const wf_store_t *store, wf_login_session_t *session,
                             const char *old_hash, const wf_actor_t *actor) WF_MUST_CHECK;
/* Ends a session, or all of the person's (`session_id` NULL). */
wf_status_t wf_login_end(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                         const char *user_id, const char *session_id,
                         const wf_actor_t *actor) WF_MUST_CHECK;
/* A log-in that failed, of a known account. */
wf_status_t wf_login_failed(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                            const char *user_id, const wf_actor_t *actor) WF_MUST_CHECK;

/* A person's own password hash and address. WF_ENOTFOUND: has none. */
wf_status_t wf_login_hash_load(wf_ctx_t *ctx, const char **hash, const char **email,
                               const wf_store_t *store, const char *company_id,
                               const char *user_id) WF_MUST_CHECK;
/* In all companies of the person; every log-in but `session_id` (NULL: none goes on) ends. */
wf_status_t wf_login_set_password(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                  const char *user_id, const char *session_id, const char *hash,
                                  const wf_actor_t *actor) WF_MUST_CHECK;

#endif
