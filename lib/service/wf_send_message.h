/* L5: a flow to a user, as a WhatsApp message: WHATSAPP.md 5.5. */
#ifndef WF_SEND_MESSAGE_H
#define WF_SEND_MESSAGE_H

#include "service/wf_service.h"

#define WF_SEND_INTERACTIVE "interactive"
#define WF_SEND_TEMPLATE "template"

/* As a caller sends it; NULL: not given. */
typedef struct {
    const char *company_id;
    const wf_json_t *flow;  /* its record */
    const char *account_id; /* NULL: the flow's, else the default account */
    const char *to;         /* a telephone number */
    const char *recipient;  /* or a business-scoped user id */
    const char *type;       /* one of the two */
    const char *category;   /* what for: marketing, utility, authentication, service */
    const wf_json_t *data;  /* object for the first screen */
    /* interactive */
    const char *header, *text, *footer, *button;
    const char *action; /* navigate, data_exchange */
    const char *screen;
    int draft;
    /* template */
    const char *template_name, *language;
    int64_t button_index;
    const wf_json_t *components; /* more of them: array of objects */
    /* the flow token's life; 0: three days */
    apr_interval_time_t ttl;
    const char *idempotency_key; /* the same one: one message */
} wf_send_t;

/* Issues a token that is bound to company, account and flow, sends, and keeps Meta's message id. *out: {id,
 * message_id, flow_token, flow_token_expires_at, account_id, flow_id, repeated}; flow_token is null where the message
 * was sent before for this key. WF_EINVALID with faults; WF_ECONFLICT: opted_out, flow_not_published, send_unknown …;
 * and as wf_graph.h. */
wf_status_t wf_send_message(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                            const wf_send_t *send, const wf_actor_t *actor) WF_MUST_CHECK;

#endif
