/* L5: flows at Meta: WHATSAPP.md 2.11 and 5.7. */
#ifndef WF_MANAGE_FLOW_META_H
#define WF_MANAGE_FLOW_META_H

#include "service/wf_service.h"

typedef struct {
    const char *company_id;
    const wf_json_t *flow;  /* its record */
    const char *account_id; /* whose WABA and access token; NULL: the flow's, else the default account */
    int version;            /* that is uploaded; 0: the active one */
    const char *name;       /* at Meta, unique in a WABA; NULL: the flow's name, or as it is there */
    const wf_json_t *categories;   /* array of Meta's words; NULL: OTHER, or as it is there */
    const char *endpoint_uri;      /* NULL: none, or as it is there */
    const char *application_id;    /* NULL: as it is there */
    const char *meta_flow_id;      /* goes on with this flow of Meta's; NULL: with the flow's own, else a new one */
    int draft;                     /* 1: it is uploaded and not published */
} wf_publish_t;

/* 1 if it is one of Meta's categories. */
int wf_flow_category_is(const char *text);

/* Creates the flow at Meta or updates it, uploads the JSON, publishes. Each step is kept (meta_flow_id, meta_status,
 * meta_version), so that the next call goes on from there. Meta's validation errors are WF_EINVALID with faults below
 * "/flow_json"; else WF_ENOTFOUND (no such version), WF_ECONFLICT, and as wf_graph.h. */
wf_status_t wf_manage_flow_publish(wf_ctx_t *ctx, const wf_service_t *service,
                                   const wf_publish_t *publish,
                                   const wf_actor_t *actor) WF_MUST_CHECK;
/* For good: nobody can send it any more. */
wf_status_t wf_manage_flow_deprecate(wf_ctx_t *ctx, const wf_service_t *service,
                                     const char *company_id, const wf_json_t *flow,
                                     const char *account_id,
                                     const wf_actor_t *actor) WF_MUST_CHECK;

#endif
