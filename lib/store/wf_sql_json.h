/* Records as JSON, for the statements of several files. Internal to lib/store. */
#ifndef WF_SQL_JSON_H
#define WF_SQL_JSON_H

#include "store/wf_sql.h"

/* The records as the API shows them: sealed columns only as has_…. Macros, so that a list, a
 * look-up and an audit row never show different members: as columns in a list, whose times are formatted by
 * whoever writes it (T: WF_SQL_TIME), as one column of JSON elsewhere (T: WF_SQL_TIME_TEXT). */
#define WF_SQL_TIME(column) column
#define WF_SQL_TIME_TEXT(column) "wflows.time_text(" column ")"
#define WF_SQL_JSON_OF(columns) "(select row_to_json(x) from (select " columns ") x)"

#define COMPANY_COLUMNS(T) \
    "c.id, c.slug, c.name, c.display_name, c.email, c.phone, c.subscription_plan, " \
    "c.status, c.max_whatsapp_accounts, c.max_flows, c.max_monthly_messages, " \
    "c.settings, c.metadata, c.suspension_reason, " \
    T("c.trial_ends_at") " as trial_ends_at, " \
    T("c.activation_date") " as activation_date, " \
    "c.created_by, c.updated_by, " \
    T("c.created_at") " as created_at, " \
    T("c.updated_at") " as updated_at"
#define COMPANY_JSON WF_SQL_JSON_OF(COMPANY_COLUMNS(WF_SQL_TIME_TEXT))
/* With what is counted of it: for those who look, not for audit rows. */
#define COMPANY_SHOWN_COLUMNS(T) \
    COMPANY_COLUMNS(T) ", " MONTH_COUNT("c.id", "flow_exchange") " as current_monthly_messages"
#define COMPANY_SHOWN WF_SQL_JSON_OF(COMPANY_SHOWN_COLUMNS(WF_SQL_TIME_TEXT))
/* Of this month, in UTC; what a child has counted is added every few seconds. */
#define MONTH_COUNT(company, metric)                                               \
    "coalesce((select u.n from wflows.usage_counters u where u.company_id = "      \
    company " and u.month = to_char(now() at time zone 'UTC', 'YYYY-MM')"          \
    " and u.metric = '" metric "'), 0)"

#define INTEGRATION_JSON                                                           \
    "json_build_object('id', i.id, 'company_id', i.company_id, 'kind', i.kind,"    \
    " 'name', i.name, 'enabled', i.enabled, 'config', i.config ||"                 \
    " coalesce((select jsonb_object_agg('has_' || s.name, true)"                   \
    "  from unnest(i.secret_names) s (name)), '{}'),"                              \
    " 'secrets_changed_at', wflows.time_text(i.secrets_changed_at),"               \
    " 'created_by', i.created_by, 'updated_by', i.updated_by,"                     \
    " 'created_at', wflows.time_text(i.created_at),"                               \
    " 'updated_at', wflows.time_text(i.updated_at))"

#define FLAG_JSON                                                                  \
    "json_build_object('name', f.name, 'enabled', f.enabled, 'value', f.value,"    \
    " 'updated_by', f.updated_by, 'updated_at', wflows.time_text(f.updated_at))"

#define OPT_OUT_JSON                                                               \
    "json_build_object('id', o.id, 'contact', o.contact, 'category', o.category,"  \
    " 'source', o.source, 'reason', o.reason, 'active', o.active,"                 \
    " 'changed_at', wflows.time_text(o.changed_at),"                               \
    " 'created_at', wflows.time_text(o.created_at),"                               \
    " 'updated_at', wflows.time_text(o.changed_at))"

#define PLAN_JSON                                                                  \
    "json_build_object('name', p.name,"                                            \
    " 'max_whatsapp_accounts', p.max_whatsapp_accounts, 'max_flows', p.max_flows," \
    " 'max_monthly_messages', p.max_monthly_messages, 'max_users', p.max_users,"   \
    " 'retention_days', p.retention_days, 'approvals', p.approvals,"               \
    " 'created_at', wflows.time_text(p.created_at),"                               \
    " 'updated_at', wflows.time_text(p.updated_at))"

/* What was counted and is not yet added to the account's own row. */
#define PENDING(column)                                                 \
    "coalesce((select sum(p." column ") from wflows.counts_pending p"   \
    " where p.company_id = a.company_id and p.account_id = a.id), 0)"

#define ACCOUNT_COLUMNS(T) \
    "a.id, a.company_id, a.name, a.phone_number, a.display_name, " \
    "a.phone_number_id, a.waba_id, a.status, a.is_default, a.default_flow_name, " \
    "a.flow_endpoint_timeout, a.rate_limit_window_ms, a.rate_limit_max_requests, " \
    "a.callback_webhook_url, a.callback_timeout, a.callback_max_retries, " \
    T("a.callback_disabled_at") " as callback_disabled_at, " \
    T("a.previous_callback_secret_until") " as previous_callback_secret_until, " \
    "a.public_key, " \
    T("a.key_generated_at") " as key_generated_at, " \
    T("a.previous_key_until") " as previous_key_until, " \
    "a.next_private_key is not null as has_next_key, " \
    T("a.key_rotation_until") " as key_rotation_until, " \
    T("a.key_rotation_scheduled_at") " as key_rotation_scheduled_at, " \
    T("a.previous_secret_until") " as previous_secret_until, " \
    "a.private_key is not null as has_private_key, " \
    "a.access_token is not null as has_access_token, " \
    "a.app_secret is not null as has_app_secret, " \
    "a.verify_token is not null as has_verify_token, " \
    "a.callback_secret is not null as has_callback_secret, a.settings, a.features, " \
    "a.verification_status, " \
    T("a.last_verified_at") " as last_verified_at, " \
    "to_json(a.callback_event_types) as callback_event_types, " \
    "a.total_messages_sent + " PENDING("messages_sent") " as total_messages_sent, " \
    "a.total_flows_completed + " PENDING("flows_completed") " as total_flows_completed, " \
    T("a.last_activity_at") " as last_activity_at, " \
    "a.created_by, a.updated_by, " \
    T("a.created_at") " as created_at, " \
    T("a.updated_at") " as updated_at"
#define ACCOUNT_JSON WF_SQL_JSON_OF(ACCOUNT_COLUMNS(WF_SQL_TIME_TEXT))

#define FLOW_COLUMNS(T) \
    "f.id, f.company_id, f.account_id, f.name, f.display_name, f.status, " \
    "f.active_version, f.meta_flow_id, f.meta_status, f.meta_version, " \
    T("f.meta_published_at") " as meta_published_at, " \
    "(select max(v.version) from wflows.flow_versions v where v.company_id = f.company_id" \
    " and v.flow_id = f.id) as latest_version, " \
    "f.created_by, f.updated_by, " \
    T("f.created_at") " as created_at, " \
    T("f.updated_at") " as updated_at"
#define FLOW_JSON WF_SQL_JSON_OF(FLOW_COLUMNS(WF_SQL_TIME_TEXT))

#define BILLING_JSON                                                                         \
    "json_build_object('stripe_customer_id', b.stripe_customer_id,"                          \
    " 'stripe_subscription_id', b.stripe_subscription_id, 'plan', b.plan,"                   \
    " 'status', b.status, 'period_end', wflows.time_text(b.period_end),"                     \
    " 'past_due_since', wflows.time_text(b.past_due_since),"                                 \
    " 'suspended_for', wflows.time_text(b.suspended_for))"

#endif
