/* L4: the people and the API keys of a company. What is secret of them comes in as a hash and never goes out. */
#ifndef WF_PEOPLE_STORE_H
#define WF_PEOPLE_STORE_H

#include "store/wf_list.h"
#include "store/wf_store.h"
#include "tenant/wf_identity.h"

/* ---- API keys (wf_api_key_store.c) -------------------------------------------------------------- */

extern const wf_list_t wf_list_api_keys;

/* WF_EINVALID with a fault for each member that is wrong. */
wf_status_t wf_api_key_check(wf_ctx_t *ctx, const wf_json_t *members) WF_MUST_CHECK;
/* `members` were checked. `lookup` and `hash` as wf_api_key_generate made them. WF_EINVALID: an account that is
 * not the company's; WF_ECONFLICT: an active key has this name. */
wf_status_t wf_api_key_create(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id, const wf_json_t *members, const char *lookup,
                              const char *hash, const wf_actor_t *actor) WF_MUST_CHECK;
/* WF_ENOTFOUND. */
wf_status_t wf_api_key_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *id) WF_MUST_CHECK;
wf_status_t wf_api_key_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *company_id) WF_MUST_CHECK;
/* A new secret and look-up id; the old one is not valid any more. WF_ECONFLICT: it is revoked. */
wf_status_t wf_api_key_replace(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const char *company_id, const char *id, const char *lookup,
                               const char *hash, const wf_actor_t *actor) WF_MUST_CHECK;
/* At once, and for good; its row stays. WF_OK too where it was revoked before. */
wf_status_t wf_api_key_revoke(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const char *id, const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- people (wf_user_store.c) --------------------------------------------------------------------- */

extern const wf_list_t wf_list_users;

#define WF_PASSWORD_MIN 12
#define WF_PASSWORD_MAX 1024

/* WF_EINVALID with a fault for each member that is wrong; "password" is in clear in `members`. */
wf_status_t wf_user_check(wf_ctx_t *ctx, const wf_json_t *members, int making) WF_MUST_CHECK;

/* What comes with the members. */
typedef struct {
    const char *password_hash; /* NULL: none, or it stays */
    int is_platform; /* the platform does it: a person of another company may be made the same one here, and may get
                      * another password */
} wf_user_opts_t;

/* WF_ELIMIT: the plan's max_users; WF_ECONFLICT: the e-mail address is taken. Without a password the person cannot log
 * in, unless the platform adds somebody who is already in another company: they are the same person then. */
wf_status_t wf_user_create(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_user_opts_t *opts, const wf_actor_t *actor) WF_MUST_CHECK;
/* By id or e-mail address. WF_ENOTFOUND. */
wf_status_t wf_user_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *which) WF_MUST_CHECK;
wf_status_t wf_user_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                         const char *company_id) WF_MUST_CHECK;
/* WF_ECONFLICT: the last admin would be none any more, or the password is another company's too. */
wf_status_t wf_user_update(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const char *id, const wf_json_t *members,
                           const wf_user_opts_t *opts, const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_user_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *id, const wf_actor_t *actor) WF_MUST_CHECK;

#endif
