/* Inside lib/webhook: the parts of wf_wa_event. */
#ifndef WF_WA_EVENT_INT_H
#define WF_WA_EVENT_INT_H

#include "webhook/wf_wa_event.h"

/* One change of one entry, while its events are made. */
typedef struct {
    const wf_json_t *entry, *change, *value;
    const char *field; /* NULL: none */
    const char *waba_id, *phone_number_id;
    int told; /* events made of it so far */
} wf_wa_change_t;

/* A text or number that can be looked up by: in ctx->pool, at most WF_WA_ID_MAX bytes, without NUL,
 * without anything that was not valid (U+FFFD); else NULL. */
const char *wf_wa_id(wf_ctx_t *ctx, const wf_json_t *v);
/* Unix seconds (or milliseconds), as text or number; 0: neither. */
apr_time_t wf_wa_time(const wf_json_t *v);
/* "<a>.<b>.<c>" of the parts that are not NULL, as an event type. */
const char *wf_wa_type(wf_ctx_t *ctx, const char *a, const char *b, const char *c);
/* In lower case, of [a-z0-9_-] only; NULL for NULL. */
const char *wf_wa_word(wf_ctx_t *ctx, const wf_json_t *v);
/* The text of a value as it came. */
wf_slice_t wf_wa_text(wf_ctx_t *ctx, const wf_json_t *v);

/* Everything about one element but its payload and the ids of its change. */
void wf_wa_read_message(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                        const wf_json_t *message);
void wf_wa_read_status(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                       const wf_json_t *status);
void wf_wa_read_preference(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                           const wf_json_t *preference);
void wf_wa_read_other(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c);
/* The contact of a message or preference; NULL: none of them fits. */
const wf_json_t *wf_wa_contact(const wf_wa_change_t *c, const wf_json_t *element);

#endif
