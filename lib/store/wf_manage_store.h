/* L4: what the management API changes and shows of companies beyond the records of wf_store.h. */
#ifndef WF_MANAGE_STORE_H
#define WF_MANAGE_STORE_H

#include "store/wf_store.h"

/* ---- companies (wf_company_new.c, wf_company_store.c) -------------------------------------------- */

/* A company signs up: itself, its data key, its first administrator and its trial, in one transaction. `members` are
 * those of a company, and `owner` {email, name, password} and `trial_days`, which may be absent. A person who is known
 * from another company keeps their password; WF_ECONFLICT "owner_known" where another one is given. Without any the
 * owner cannot log in before it is set. Errors as wf_company_create, all faults at once. */
wf_status_t wf_company_sign_up(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                               const wf_keyring_t *ring, const wf_json_t *members,
                               int max_companies, const char *default_plan,
                               const wf_actor_t *actor) WF_MUST_CHECK;
/* What a company has where nothing else is said, as an object. */
wf_json_t *wf_company_defaults(apr_pool_t *pool, const wf_json_t *members, const char *plan);

/* How members are put into a company. Who is not the platform changes what is the company's own to change (names,
 * e-mail, phone, settings, metadata) and nothing else: WF_EDENIED. */
typedef struct {
    int as_platform;
    int replace;              /* PUT: what is absent goes back to its default, status excepted */
    const char *default_plan; /* with replace */
} wf_company_edit_t;
wf_status_t wf_company_edit(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                            const wf_json_t *members, const wf_company_edit_t *how,
                            const wf_actor_t *actor) WF_MUST_CHECK;

/* `members`: {} or {"reason": …}. */
wf_status_t wf_company_suspend(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const wf_json_t *members, const wf_actor_t *actor) WF_MUST_CHECK;

/* All settings of a company's document, those that are not set with their default. */
wf_json_t *wf_settings_shown(apr_pool_t *pool, const wf_json_t *company);
/* `settings` in place of those there are, or merged into them (RFC 7396). Faults are at their own pointers
 * ("/session_ttl"). */
wf_status_t wf_settings_save(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             wf_json_t *settings, int replace,
                             const wf_actor_t *actor) WF_MUST_CHECK;

/* The suspension_reason of a company whose trial is over. */
#define WF_TRIAL_REASON "trial_over"
/* Suspends active companies whose trial is over, at most `max`. */
wf_status_t wf_trials_end(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max,
                          const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- plans (wf_plan_store.c) ---------------------------------------------------------------------- */

/* {"data": […], "next_cursor": null} */
wf_status_t wf_plan_list(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store) WF_MUST_CHECK;
/* WF_ENOTFOUND. */
wf_status_t wf_plan_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *name) WF_MUST_CHECK;
/* Makes the plan or replaces its limits; a member that is absent is 0, no limit. What is cached of its companies
 * goes. *made: there was none. */
wf_status_t wf_plan_save(wf_ctx_t *ctx, wf_json_t **out, int *made, const wf_store_t *store,
                         const char *name, const wf_json_t *members,
                         const wf_actor_t *actor) WF_MUST_CHECK;

#endif
