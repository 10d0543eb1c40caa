#include "service/wf_send_message.h"

#include "service/wf_graph.h"
#include "service/wf_manage_flow.h"
#include "store/wf_message_store.h"
#include "tenant/wf_token.h"

#include <string.h>

/* To write down how it ended, when the request's own time may be over. */
#define ENDING_TIME apr_time_from_sec(10)
#define MESSAGE_ID_MAX 512

/* ---- what is asked for
 * ---------------------------------------------------------------------------- */

static int is_template(const wf_send_t *s)
{
    return strcmp(s->type, WF_SEND_TEMPLATE) == 0;
}

static void refuse(wf_ctx_t *ctx, int given, const char *name, const char *why)
{
    if (given) {
        wf_fault_add(ctx, apr_pstrcat(ctx->pool, "/", name, NULL), "%s", why);
    }
}

static void check_interactive(wf_ctx_t *ctx, const wf_send_t *s)
{
    int asks = s->action && strcmp(s->action, "data_exchange") == 0;

    refuse(ctx, !s->text, "text", "needed in an interactive message");
    refuse(ctx, !s->button, "button", "needed in an interactive message");
    refuse(ctx, asks && s->screen, "screen", "the endpoint names the screen with data_exchange");
    refuse(ctx, asks && s->data, "data", "comes from the endpoint with data_exchange");
    refuse(ctx, !asks && s->data && !s->screen, "screen", "needed with data");
    refuse(ctx, s->template_name != NULL, "template_name", "only in a template");
    refuse(ctx, s->language != NULL, "language", "only in a template");
    refuse(ctx, s->components != NULL, "components", "only in a template");
}

static void check_template(wf_ctx_t *ctx, const wf_send_t *s)
{
    refuse(ctx, !s->template_name, "template_name", "needed in a template");
    refuse(ctx, !s->language, "language", "needed in a template");
    refuse(ctx, s->header != NULL, "header", "the template has it");
    refuse(ctx, s->text != NULL, "text", "the template has it");
    refuse(ctx, s->footer != NULL, "footer", "the template has it");
    refuse(ctx, s->button != NULL, "button", "the template has it");
    refuse(ctx, s->action != NULL, "action", "the template has it");
    refuse(ctx, s->screen != NULL, "screen", "the template has it");
    refuse(ctx, s->draft, "draft", "only in an interactive message");
}

static wf_status_t check(wf_ctx_t *ctx, const wf_send_t *s)
{
    refuse(ctx, !s->to && !s->recipient, "to", "this or recipient is needed");
    refuse(ctx, s->to && s->recipient, "recipient", "not beside to");
    if (is_template(s)) {
        check_template(ctx, s);
    } else {
        check_interactive(ctx, s);
    }
    if (wf_has_faults(ctx)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0679) "%s", wf_faults_text(ctx));
    }
    if (!is_template(s) && !wf_json_get_str(s->flow, "meta_flow_id", NULL)) {
        return wf_fail_code(ctx, WF_ECONFLICT, "flow_not_published",
                            WFLOGNO(0680) "the flow is not at Meta: publish it first");
    }
    return WF_OK;
}

/* ---- the message
 * ---------------------------------------------------------------------------------- */

/* Digits alone, as WhatsApp writes numbers. */
static const char *digits_of(apr_pool_t *pool, const char *number)
{
    char *out = apr_pstrdup(pool, number), *to = out;

    for (; *number; number++) {
        if (*number >= '0' && *number <= '9') {
            *to++ = *number;
        }
    }
    *to = '\0';
    return out;
}

static wf_json_t *text_part(apr_pool_t *pool, const char *text, int is_header)
{
    wf_json_t *out = text ? wf_json_object_make(pool) : NULL;

    if (out) {
        wf_json_set_str(out, "text", text);
        wf_json_set_str(out, "type", is_header ? "text" : NULL);
    }
    return out;
}

static wf_json_t *data_of(apr_pool_t *pool, const wf_send_t *s)
{
    return wf_json_len(s->data) > 0 ? wf_json_copy(pool, s->data) : NULL; /* Meta refuses {} */
}

static wf_json_t *interactive_of(apr_pool_t *pool, const wf_send_t *s, const char *token)
{
    wf_json_t *out = wf_json_object_make(pool), *action = wf_json_object_make(pool),
              *parameters = wf_json_object_make(pool), *payload = wf_json_object_make(pool);

    wf_json_set_str(parameters, "flow_message_version", "3");
    wf_json_set(parameters, "flow_id", wf_json_get(s->flow, "meta_flow_id"));
    wf_json_set_str(parameters, "flow_cta", s->button);
    wf_json_set_str(parameters, "flow_token", token);
    wf_json_set_str(parameters, "mode", s->draft ? "draft" : "published");
    wf_json_set_str(parameters, "flow_action", s->action ? s->action : "navigate");
    if (s->screen) {
        wf_json_set_str(payload, "screen", s->screen);
        wf_json_set(payload, "data", data_of(pool, s));
        wf_json_set(parameters, "flow_action_payload", payload);
    }
    wf_json_set_str(action, "name", "flow");
    wf_json_set(action, "parameters", parameters);
    wf_json_set_str(out, "type", "flow");
    wf_json_set(out, "header", text_part(pool, s->header, 1));
    wf_json_set(out, "body", text_part(pool, s->text, 0));
    wf_json_set(out, "footer", text_part(pool, s->footer, 0));
    wf_json_set(out, "action", action);
    return out;
}

static wf_json_t *template_of(apr_pool_t *pool, const wf_send_t *s, const char *token)
{
    wf_json_t *out = wf_json_object_make(pool), *language = wf_json_object_make(pool),
              *button = wf_json_object_make(pool), *parameter = wf_json_object_make(pool),
              *action = wf_json_object_make(pool), *list = wf_json_array_make(pool),
              *components =
                  s->components ? wf_json_copy(pool, s->components) : wf_json_array_make(pool);

    wf_json_set_str(action, "flow_token", token);
    wf_json_set(action, "flow_action_data", data_of(pool, s));
    wf_json_set_str(parameter, "type", "action");
    wf_json_set(parameter, "action", action);
    wf_json_push(list, parameter);
    wf_json_set_str(button, "type", "button");
    wf_json_set_str(button, "sub_type", "flow");
    wf_json_set_str(button, "index", apr_psprintf(pool, "%" APR_INT64_T_FMT, s->button_index));
    wf_json_set(button, "parameters", list);
    wf_json_push(components, button);
    wf_json_set_str(language, "code", s->language);
    wf_json_set_str(out, "name", s->template_name);
    wf_json_set(out, "language", language);
    wf_json_set(out, "components", components);
    return out;
}

static wf_json_t *message_of(apr_pool_t *pool, const wf_send_t *s, const char *token,
                             const char *id)
{
    wf_json_t *out = wf_json_object_make(pool);

    wf_json_set_str(out, "messaging_product", "whatsapp");
    wf_json_set_str(out, "recipient_type", "individual");
    wf_json_set_str(out, "to", s->to ? digits_of(pool, s->to) : NULL);
    wf_json_set_str(out, "recipient", s->recipient);
    wf_json_set_str(out, "type", s->type);
    wf_json_set_str(out, "biz_opaque_callback_data", id);
    wf_json_set(out, s->type,
                is_template(s) ? template_of(pool, s, token) : interactive_of(pool, s, token));
    return out;
}

/* ---- once
 * ------------------------------------------------------------------------------------------ */

static const apr_array_header_t *texts(apr_pool_t *pool, const char *a, const char *b,
                                       const char *c)
{
    apr_array_header_t *out = apr_array_make(pool, 3, sizeof(const char *));

    APR_ARRAY_PUSH(out, const char *) = a;
    APR_ARRAY_PUSH(out, const char *) = b;
    APR_ARRAY_PUSH(out, const char *) = c;
    return out;
}

/* Who it is for is known by wa_id (digits), or as an operator wrote it; what for as people's
 * settings in WhatsApp call it ("marketing_messages"). One who sends a template and does not say
 * what for may be advertising. */
static void describe(apr_pool_t *pool, wf_message_new_t *out, const wf_send_t *s,
                     const wf_actor_t *actor)
{
    const char *what = s->category ? s->category : is_template(s) ? "marketing" : "service";
    const char *who = s->to ? digits_of(pool, s->to) : s->recipient;

    out->contacts = texts(pool, who, apr_pstrcat(pool, "+", who, NULL), s->to ? s->to : who);
    out->categories = texts(pool, "all", what, apr_pstrcat(pool, what, "_messages", NULL));
    out->kind = s->type;
    if (s->idempotency_key) {
        const char *key = apr_pstrcat(pool, actor->actor, "\n", s->idempotency_key, NULL);
        out->send_key = wf_sha256_hex(pool, key, strlen(key));
    }
}

static wf_status_t issue(wf_ctx_t *ctx, const char **token, const wf_service_t *service,
                         const wf_send_t *s, const char *account_id, apr_time_t expires_at)
{
    wf_data_key_t key;
    wf_status_t st = wf_data_key_load(ctx, &key, service->store, service->ring, s->company_id);

    if (st == WF_OK) {
        st = wf_token_issue(ctx, token, &key, s->company_id, account_id,
                            wf_json_get_str(s->flow, "id", ""), expires_at);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* In a context of its own: ctx->err keeps why it was not sent. What was sent is sent, whether it
 * could be written down or not. */
static void write_end(const wf_ctx_t *ctx, const wf_service_t *service, const char *company_id,
                      const wf_message_t *message, wf_message_end_t how)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);

    own->deadline = wf_now(ctx) + ENDING_TIME;
    if (wf_message_end(own, service->store, company_id, message->id, how, message->message_id,
                       ctx->err.code) != WF_OK) {
        wf_log(own, WF_LOG_WARNING,
               WFLOGNO(0681) "message %s: how it ended could not be written down", message->id);
    }
}

static wf_status_t give_to_meta(wf_ctx_t *ctx, wf_message_t *message, wf_graph_t *graph,
                                const wf_send_t *s, const char *number, const char *token)
{
    wf_json_t *reply;
    const char *id;
    wf_status_t st =
        wf_graph_post(ctx, &reply, graph, apr_pstrcat(ctx->pool, "/", number, "/messages", NULL),
                      message_of(ctx->pool, s, token, message->id));

    if (st != WF_OK) {
        write_end(ctx, graph->service, s->company_id, message,
                  graph->is_unsure ? WF_MESSAGE_UNKNOWN : WF_MESSAGE_FAILED);
        return st;
    }
    id = wf_json_get_str(wf_json_at(wf_json_get(reply, "messages"), 0), "id", NULL);
    message->message_id = id && *id && strlen(id) <= MESSAGE_ID_MAX ? id : NULL;
    write_end(ctx, graph->service, s->company_id, message, WF_MESSAGE_SENT);
    return WF_OK;
}

static wf_json_t *result_of(apr_pool_t *pool, const wf_message_t *message, const char *token,
                            apr_time_t expires_at)
{
    wf_json_t *out = wf_json_object_make(pool);

    wf_json_set_str(out, "id", message->id);
    wf_json_set_str(out, "message_id", message->message_id);
    wf_json_set_str(out, "account_id", message->account_id);
    wf_json_set_str(out, "flow_id", message->flow_id);
    wf_json_set(out, "flow_token", token ? wf_json_str_make(pool, token) : wf_json_null_make(pool));
    wf_json_set(out, "flow_token_expires_at",
                token ? wf_json_str_make(pool, wf_time_format(pool, expires_at))
                      : wf_json_null_make(pool));
    wf_json_set_bool(out, "repeated", token == NULL);
    return out;
}

wf_status_t wf_send_message(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                            const wf_send_t *s, const wf_actor_t *actor)
{
    apr_time_t expires_at = wf_now(ctx) + (s->ttl ? s->ttl : WF_TOKEN_TTL_DEFAULT);
    wf_message_new_t wanted = {.company_id = s->company_id};
    const char *token = NULL;
    wf_message_t message;
    wf_json_t *account;
    wf_graph_t graph;
    wf_status_t st;

    *out = NULL;
    wanted.flow_id = wf_json_get_str(s->flow, "id", "");
    if ((st = check(ctx, s)) != WF_OK ||
        (st = wf_manage_flow_account(ctx, &wanted.account_id, service->store, s->company_id,
                                     s->flow, s->account_id)) != WF_OK ||
        (st = wf_graph_open(ctx, &graph, &account, service, s->company_id, wanted.account_id)) !=
            WF_OK ||
        (st = issue(ctx, &token, service, s, wanted.account_id, expires_at)) != WF_OK) {
        return st;
    }
    wanted.token_hash = wf_sha256_hex(ctx->pool, token, strlen(token));
    describe(ctx->pool, &wanted, s, actor);
    if ((st = wf_message_begin(ctx, &message, service->store, &wanted, actor)) != WF_OK) {
        return st;
    }
    if (message.message_id) {
        *out = result_of(ctx->pool, &message, NULL, 0);
        return WF_OK;
    }
    st = give_to_meta(ctx, &message, &graph, s, wf_json_get_str(account, "phone_number_id", ""),
                      token);
    if (st == WF_OK) {
        *out = result_of(ctx->pool, &message, token, expires_at);
    }
    return st;
}
