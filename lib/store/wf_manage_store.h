/* L4: what the management API changes and shows of companies beyond the records of wf_store.h. */
#ifndef WF_MANAGE_STORE_H
#define WF_MANAGE_STORE_H

#include "store/wf_list.h"
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

/* ---- what is known of a company (wf_report_store.c) ------------------------------------------------ */

/* Counts of what it has. */
wf_status_t wf_company_statistics(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const char *company_id) WF_MUST_CHECK;
/* {"complete": …, "steps": [{"step", "done", "at"}]}, from its records. */
wf_status_t wf_company_onboarding(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const char *company_id) WF_MUST_CHECK;
/* What was counted, by "month" or "day" (NULL: month). `from` and `to` are of that form, both included; NULL: a year of
 * months, a month of days, up to now. WF_EINVALID: faults "?by", "?from", "?to". */
wf_status_t wf_usage_report(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *by, const char *from,
                            const char *to) WF_MUST_CHECK;
/* {"slug", "accounts": [ids], "flows": [names]}: of what a cache may hold. */
wf_status_t wf_company_cached(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                              const char *company_id) WF_MUST_CHECK;

/* ---- integrations (wf_integration_store.c) --------------------------------------------------------- */

extern const wf_list_t wf_list_integrations;

/* The members of `config` that are secret for its kind are sealed and shown as has_<name> alone. WF_ENOTFOUND. */
wf_status_t wf_integration_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                const char *company_id, const char *id) WF_MUST_CHECK;
wf_status_t wf_integration_add(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const wf_keyring_t *ring, const char *company_id,
                               const wf_json_t *members, const wf_actor_t *actor) WF_MUST_CHECK;
/* Merges, or replaces: then too, secrets that are not named stay; null takes one away. */
wf_status_t wf_integration_change(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                                  const wf_keyring_t *ring, const char *company_id, const char *id,
                                  const wf_json_t *members, int replace,
                                  const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_integration_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                  const char *id, const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- feature flags (wf_flag_store.c) --------------------------------------------------------------- */

#define WF_FLAGS_MAX 200 /* of a company */

/* {"data": […], "next_cursor": null}: all of them. */
wf_status_t wf_flag_list(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id) WF_MUST_CHECK;
wf_status_t wf_flag_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *name) WF_MUST_CHECK;
/* {"enabled": …, "value": any}. *made: there was none. */
wf_status_t wf_flag_save(wf_ctx_t *ctx, wf_json_t **out, int *made, const wf_store_t *store,
                         const char *company_id, const char *name, const wf_json_t *members,
                         const wf_actor_t *actor) WF_MUST_CHECK;
wf_status_t wf_flag_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *name, const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- opt-outs (wf_opt_out_store.c) ------------------------------------------------------------------ */

extern const wf_list_t wf_list_opt_outs;

/* A telephone number as WhatsApp names it (digits alone), or another name as it is; NULL: neither. */
const char *wf_opt_out_contact(apr_pool_t *pool, const char *text);
/* "all", "marketing" … */
int wf_opt_out_category_is(const char *text);

wf_status_t wf_opt_out_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *id) WF_MUST_CHECK;
/* {"contact", "category", "reason"}; who was back in is out again. */
wf_status_t wf_opt_out_add(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_actor_t *actor) WF_MUST_CHECK;
/* The person may be written to again; the row stays, inactive. */
wf_status_t wf_opt_out_take_back(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                 const char *id, const wf_actor_t *actor) WF_MUST_CHECK;

/* Many at once, in CSV with a head line (contact, and perhaps category and reason), as it comes in: memory does not
 * grow with it. Each batch is its own transaction; what is wrong with a line is said, and the others count. */
typedef struct wf_opt_out_import_t wf_opt_out_import_t;
wf_opt_out_import_t *wf_opt_out_import(wf_ctx_t *ctx, const wf_store_t *store,
                                       const char *company_id);
/* A wf_bytes_fn; `import` is one of these. */
wf_status_t wf_opt_out_import_bytes(wf_ctx_t *ctx, const void *data, size_t len, void *import);
/* {"lines", "added", "updated", "unchanged", "failed", "errors": [{"line", "message"}]}, and its audit row; in any
 * case, also after a failure. WF_EINVALID: no head line. */
wf_status_t wf_opt_out_import_end(wf_ctx_t *ctx, wf_json_t **out, wf_opt_out_import_t *import,
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
