/* L5: people log in, stay logged in and log out. DESIGN.md section 9. */
#ifndef WF_LOGIN_H
#define WF_LOGIN_H

#include "service/wf_auth.h"

/* {access_token, token_type, expires_in, refresh_token, refresh_expires_in}. Expected failures: WF_EDENIED (whatever
 * does not fit: the same answer at the same cost), WF_ELIMIT (*wait_s: after which to try again), WF_EUNAVAIL (also
 * without Redis: nobody could count the attempts). `tenant`: id or slug, NULL where the person is in one company
 * or names one with each request. */
typedef struct {
    const char *email, *password, *tenant;
    const wf_actor_t *actor; /* its address and user agent */
} wf_login_in_t;
wf_status_t wf_login(wf_ctx_t *ctx, wf_json_t **out, int64_t *wait_s, const wf_service_t *service,
                     const wf_login_in_t *in) WF_MUST_CHECK;

/* The same, for a refresh token, which is used up by it. WF_EDENIED: not good (any more). */
wf_status_t wf_login_renew(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                           const char *refresh_token, const wf_actor_t *actor) WF_MUST_CHECK;

/* Ends the caller's log-in, or all of theirs. WF_ECONFLICT: the caller is not there by a log-in. */
wf_status_t wf_logout(wf_ctx_t *ctx, const wf_service_t *service, const wf_identity_t *who,
                      int everywhere, const wf_actor_t *actor) WF_MUST_CHECK;

/* The caller's own password; all other log-ins of theirs end. WF_EINVALID: the new one; WF_EDENIED: the old one;
 * WF_ELIMIT as wf_login; WF_ECONFLICT: the caller has none. */
wf_status_t wf_password_change(wf_ctx_t *ctx, int64_t *wait_s, const wf_service_t *service,
                               const wf_identity_t *who, const char *old_password,
                               const char *new_password, const wf_actor_t *actor) WF_MUST_CHECK;

/* What the caller is and may: for GET /me. */
wf_status_t wf_me(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                  const wf_identity_t *who) WF_MUST_CHECK;

#endif
