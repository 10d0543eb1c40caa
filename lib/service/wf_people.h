/* L5: the people and API keys of a company: secrets are made and hashed here, and nobody gives more than they have. */
#ifndef WF_PEOPLE_H
#define WF_PEOPLE_H

#include "service/wf_auth.h"
#include "store/wf_people_store.h"

/* Who changes something: for the audit row, and for how much they may give. */
typedef struct {
    const wf_identity_t *who; /* NULL: wflowsctl, who is the platform */
    const wf_actor_t *actor;
} wf_giver_t;

/* *text is the key, which nobody can show again. WF_EDENIED: scopes or accounts that the giver does not have. */
wf_status_t wf_api_key_issue(wf_ctx_t *ctx, wf_json_t **doc, const char **text,
                             const wf_service_t *service, const char *company_id,
                             const wf_json_t *members, const wf_giver_t *giver) WF_MUST_CHECK;
/* The same key with another secret. */
wf_status_t wf_api_key_reissue(wf_ctx_t *ctx, wf_json_t **doc, const char **text,
                               const wf_service_t *service, const char *company_id, const char *id,
                               const wf_giver_t *giver) WF_MUST_CHECK;

/* Errors as wf_user_create; WF_EDENIED: a role above the giver's. */
wf_status_t wf_user_add(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                        const char *company_id, const wf_json_t *members,
                        const wf_giver_t *giver) WF_MUST_CHECK;
/* `whole`: members that are absent go back to what they are by default; the password stays. */
wf_status_t wf_user_change(wf_ctx_t *ctx, wf_json_t **doc, const wf_service_t *service,
                           const char *company_id, const char *id, const wf_json_t *members,
                           int whole, const wf_giver_t *giver) WF_MUST_CHECK;

#endif
