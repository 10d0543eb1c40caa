-- Companies, their WhatsApp accounts, their data keys.

-- The only tenant table whose company is its own id. Only wflows_platform inserts here and nobody
-- changes a slug, so the one unique key that spans companies (live slugs) cannot be probed by a tenant.
create table wflows.companies (
    id uuid primary key,
    name text not null,
    slug text not null,
    display_name text not null,
    email text,
    phone text,
    subscription_plan text not null default 'starter'
        constraint companies_subscription_plan_fkey references wflows.plans (name),
    max_whatsapp_accounts int,   -- null: the plan's; 0: no limit
    max_flows int,
    max_monthly_messages bigint,
    settings jsonb not null default '{}',
    metadata jsonb not null default '{}',
    status text not null default 'active',
    activation_date timestamptz,
    suspension_reason text,
    trial_ends_at timestamptz,   -- a job suspends the company then, unless it has begun to pay
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint companies_name_check check (char_length(name) between 1 and 200),
    constraint companies_slug_check check (slug ~ '^[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])?$'),
    constraint companies_display_name_check check (char_length(display_name) between 1 and 200),
    constraint companies_email_check check (email ~ '^[^@\s]+@[^@\s]+$' and char_length(email) <= 254),
    constraint companies_phone_check check (phone ~ '^\+?[0-9][0-9 ()-]{3,30}$'),
    constraint companies_max_whatsapp_accounts_check check (max_whatsapp_accounts >= 0),
    constraint companies_max_flows_check check (max_flows >= 0),
    constraint companies_max_monthly_messages_check check (max_monthly_messages >= 0),
    constraint companies_settings_check check (jsonb_typeof(settings) = 'object'),
    constraint companies_metadata_check check (jsonb_typeof(metadata) = 'object'),
    constraint companies_status_check
        check (status in ('active', 'inactive', 'suspended', 'pending', 'erasing')),
    constraint companies_suspension_reason_check check (char_length(suspension_reason) <= 500)
);
create unique index companies_slug_key on wflows.companies (slug) where deleted_at is null;
create index companies_trial on wflows.companies (trial_ends_at)
    where status = 'active' and deleted_at is null;
create index companies_by_time on wflows.companies (created_at, id) where deleted_at is null;
call wflows.protect('wflows.companies', 'id');
create policy lookup_read on wflows.companies for select to wflows_lookup, wflows_worker using (true);
grant select, update (name, display_name, email, phone, subscription_plan, max_whatsapp_accounts,
                      max_flows, max_monthly_messages, settings, metadata, status, activation_date,
                      suspension_reason, trial_ends_at, updated_by, updated_at, deleted_at)
    on wflows.companies to wflows_app;
grant select, insert, update, delete on wflows.companies to wflows_platform;
grant select on wflows.companies to wflows_lookup, wflows_worker;

-- Do changes of credentials, its deletion and the like wait for a second person? Where the plan has it and the
-- company says so.
create function wflows.four_eyes(p_company wflows.companies) returns boolean
language sql stable parallel safe
return coalesce(p_company.settings -> 'require_approvals' = 'true'::jsonb
                and (select p.approvals from wflows.plans p where p.name = p_company.subscription_plan),
                false);
revoke execute on function wflows.four_eyes(wflows.companies) from public;
grant execute on function wflows.four_eyes(wflows.companies) to wflows_app, wflows_platform;

-- Columns marked * hold sealed text (DESIGN.md section 6), never a secret in clear.
create table wflows.whatsapp_accounts (
    company_id uuid not null
        constraint whatsapp_accounts_company_id_fkey references wflows.companies (id),
    id uuid not null,
    name text not null,
    phone_number text,
    display_name text not null,
    phone_number_id text not null,
    waba_id text,
    access_token text,              -- *
    app_secret text,                -- *
    previous_app_secret text,       -- *
    previous_secret_until timestamptz,
    verify_token text,              -- *
    private_key text,               -- *
    public_key text,
    previous_private_key text,      -- *
    previous_key_until timestamptz,
    next_private_key text,          -- *: Meta may have its public half already, so it decrypts too
    next_public_key text,
    key_rotation_id uuid,           -- of the rotation that is under way; null: none
    key_rotation_until timestamptz, -- after that another may take over from one that never came back
    passphrase text,                -- *
    key_generated_at timestamptz,
    key_rotation_scheduled_at timestamptz,
    callback_webhook_url text,
    callback_secret text,           -- *
    previous_callback_secret text,  -- *: signs too until then
    previous_callback_secret_until timestamptz,
    callback_disabled_at timestamptz, -- its receiver said 410 Gone; a new URL or secret ends it
    callback_timeout int not null default 5000,
    callback_max_retries int,       -- null: the delivery schedule of DESIGN.md section 8
    callback_event_types text[] not null default '{flow_completed}', -- a type, 'prefix.*' or '*'
    default_flow_name text,
    flow_endpoint_timeout int not null default 2500,
    rate_limit_window_ms bigint not null default 60000,
    rate_limit_max_requests bigint not null default 600, -- 0: no limit
    settings jsonb not null default '{}',
    features jsonb not null default '{}',
    is_default boolean not null default false,
    status text not null default 'active',
    last_verified_at timestamptz,
    webhook_verified_at timestamptz, -- Meta's handshake came with its verify token, for the first time
    verification_status text,
    total_messages_sent bigint not null default 0,
    total_flows_completed bigint not null default 0,
    last_activity_at timestamptz,
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (company_id, id),
    constraint whatsapp_accounts_name_check check (char_length(name) between 1 and 100),
    constraint whatsapp_accounts_phone_number_check
        check (phone_number ~ '^\+?[0-9][0-9 ()-]{3,30}$'),
    constraint whatsapp_accounts_display_name_check check (char_length(display_name) between 1 and 200),
    constraint whatsapp_accounts_phone_number_id_check check (phone_number_id ~ '^[0-9]{5,20}$'),
    constraint whatsapp_accounts_waba_id_check check (waba_id ~ '^[0-9]{5,20}$'),
    constraint whatsapp_accounts_callback_webhook_url_check
        check (callback_webhook_url ~* '^https?://[^\s/]' and char_length(callback_webhook_url) <= 2048),
    constraint whatsapp_accounts_callback_timeout_check check (callback_timeout between 100 and 60000),
    constraint whatsapp_accounts_callback_max_retries_check
        check (callback_max_retries between 0 and 20),
    constraint whatsapp_accounts_callback_event_types_check
        check (cardinality(callback_event_types) <= 64
               and array_position(callback_event_types, null) is null
               and array_to_string(callback_event_types, ' ')
                   ~ '^([a-z0-9_.-]{1,64}|([a-z0-9_.-]{1,62}\.)?\*)?( ([a-z0-9_.-]{1,64}|([a-z0-9_.-]{1,62}\.)?\*))*$'),
    constraint whatsapp_accounts_default_flow_name_check
        check (default_flow_name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    constraint whatsapp_accounts_flow_endpoint_timeout_check
        check (flow_endpoint_timeout between 100 and 9500),
    constraint whatsapp_accounts_rate_limit_window_ms_check
        check (rate_limit_window_ms between 1000 and 86400000),
    constraint whatsapp_accounts_rate_limit_max_requests_check
        check (rate_limit_max_requests between 0 and 1000000000),
    constraint whatsapp_accounts_settings_check check (jsonb_typeof(settings) = 'object'),
    constraint whatsapp_accounts_features_check check (jsonb_typeof(features) = 'object'),
    constraint whatsapp_accounts_status_check
        check (status in ('active', 'inactive', 'pending_verification', 'suspended')),
    constraint whatsapp_accounts_default_alive_check check (not is_default or deleted_at is null),
    -- A value that is not sealed text in one of these columns would be a secret in clear.
    constraint whatsapp_accounts_sealed_check check (
        coalesce(access_token, 'wf1:') like 'wf1:%' and coalesce(app_secret, 'wf1:') like 'wf1:%'
        and coalesce(previous_app_secret, 'wf1:') like 'wf1:%'
        and coalesce(verify_token, 'wf1:') like 'wf1:%'
        and coalesce(private_key, 'wf1:') like 'wf1:%'
        and coalesce(previous_private_key, 'wf1:') like 'wf1:%'
        and coalesce(next_private_key, 'wf1:') like 'wf1:%'
        and coalesce(passphrase, 'wf1:') like 'wf1:%'
        and coalesce(callback_secret, 'wf1:') like 'wf1:%'
        and coalesce(previous_callback_secret, 'wf1:') like 'wf1:%')
) with (fillfactor = 50); -- what is counted of an account changes with every webhook: on its own page
create unique index whatsapp_accounts_phone_number_id_key
    on wflows.whatsapp_accounts (company_id, phone_number_id) where deleted_at is null;
create unique index whatsapp_accounts_name_key
    on wflows.whatsapp_accounts (company_id, name) where deleted_at is null;
create index whatsapp_accounts_by_time on wflows.whatsapp_accounts (company_id, created_at, id)
    where deleted_at is null;
create unique index whatsapp_accounts_is_default_key
    on wflows.whatsapp_accounts (company_id) where is_default;
call wflows.protect('wflows.whatsapp_accounts');
create policy lookup_read on wflows.whatsapp_accounts for select to wflows_lookup, wflows_worker using (true);
grant select, insert, update on wflows.whatsapp_accounts to wflows_app;
grant select, insert, update, delete on wflows.whatsapp_accounts to wflows_platform;
grant select on wflows.whatsapp_accounts to wflows_lookup, wflows_worker;

create table wflows.data_keys (
    company_id uuid not null constraint data_keys_company_id_fkey references wflows.companies (id),
    id uuid not null,
    wrapped text not null, -- "wk1:<master key id>:<base64>"
    master_key_id text not null generated always as (split_part(wrapped, ':', 2)) stored,
    created_at timestamptz not null default now(),
    rewrapped_at timestamptz,
    retired_at timestamptz, -- still decrypts, seals nothing new
    primary key (company_id, id),
    constraint data_keys_wrapped_check check (wrapped ~ '^wk1:[A-Za-z0-9_.-]{1,32}:[A-Za-z0-9+/=]+$')
);
create unique index data_keys_one_current_key on wflows.data_keys (company_id)
    where retired_at is null;
create index data_keys_master_key on wflows.data_keys (master_key_id);
call wflows.protect('wflows.data_keys');
create policy lookup_read on wflows.data_keys for select to wflows_lookup, wflows_worker using (true);
grant select on wflows.data_keys to wflows_app;
grant select, insert, update, delete on wflows.data_keys to wflows_platform;
grant select on wflows.data_keys to wflows_lookup, wflows_worker;
