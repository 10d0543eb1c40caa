package Wflows::Tenant;

# A company for a test, made through wflowsctl: accounts, keys, flows, and the client that talks to them.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use Wflows::Client;
use Wflows::Process qw(write_file);

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $serial = 0;

# slug, plan, settings (hash), flows {name => [flow json file or hash, logic file, hash or undef]}; accounts
# [{name, …}, …] as add_account, else one called "main" without rate limit.
sub add {
    my ($class, $stack, %o) = @_;
    my $self = bless { stack => $stack, slug => $o{slug}, accounts => {} }, $class;
    my $made = $stack->ctl('company', 'add', $o{slug}, '--name', $o{name} // ucfirst $o{slug}, '--plan', $o{plan} // 'enterprise',
        $o{settings} ? ('--settings', $json->encode($o{settings})) : (), @{ $o{options} // [] });
    $self->{id} = $made->{id};
    $self->add_account(%$_) for @{ $o{accounts} // [{ name => 'main' }] };
    $self->add_flow($_, @{ $o{flows}{$_} }) for sort keys %{ $o{flows} // {} };
    return $self;
}

# name, app_secret, rate ("off"), key (PEM text to import, else one is made), passphrase, options [words]
sub add_account {
    my ($self, %o) = @_;
    $serial++;
    my $secret = exists $o{app_secret} ? $o{app_secret} : "app-secret-of-$self->{slug}-$o{name}";
    my $made = $self->{stack}->ctl('account', 'add', '--company', $self->{slug}, '--name', $o{name},
        '--phone-number-id', $o{phone_number_id} // 70_000_000_000 + $serial, '--waba-id', 10_000_000_000 + $serial,
        '--rate-limit', $o{rate} // 'off', @{ $o{options} // [] }, { 'app-secret' => $secret });
    my $account = $self->{accounts}{ $o{name} } = {
        id => $made->{id}, name => $o{name}, app_secret => $secret,
        phone_number_id => $o{phone_number_id} // 70_000_000_000 + $serial };
    $self->{stack}{known_secrets}{"app secret of $self->{slug}/$o{name}"} = $secret if defined $secret;
    $self->new_key($o{name}, %o) unless $o{no_key};
    return $account;
}

# Makes or imports the account's key; the one before goes on for a while. `overlap` as wflowsctl takes it.
sub new_key {
    my ($self, $account, %o) = @_;
    my @overlap = defined $o{overlap} ? ('--overlap', $o{overlap}) : ();
    my @which = ('--company', $self->{slug}, '--account', $account);
    if ($o{key}) {
        my $file = $self->file('key.pem', $o{key});
        $self->{stack}->ctl('key', 'import', $file, @which, @overlap, { passphrase => $o{passphrase} });
        unlink $file;
    } else {
        $self->{stack}->ctl('key', 'new', @which, @overlap);
    }
    my $shown = $self->{stack}->ctl_raw(['key', 'show', @which]);
    croak "wflowsctl key show: $shown->{err}" unless $shown->{out} =~ /BEGIN PUBLIC KEY/;
    return $self->{accounts}{$account}{public_key} = $shown->{out};
}

sub file {
    my ($self, $name, $what) = @_;
    my $path = "$self->{stack}{dir}/" . ++$serial . "-$name";
    return write_file($path, ref $what ? $json->encode($what) : $what, 0600);
}

# `flow_json`, `logic`: a file's name, or the document itself. Returns wflowsctl's record.
sub add_flow {
    my ($self, $name, $flow_json, $logic, @options) = @_;
    my @files = map { defined $_ ? (ref $_ ? $self->file("$name.json", $_) : $_) : undef } $flow_json, $logic;
    return $self->{stack}->ctl('flow', 'add', $name, '--company', $self->{slug}, '--flow-json', $files[0],
        defined $files[1] ? ('--logic', $files[1]) : (), @options);
}

# flow (name, may have @version; undef: none in the path), account (named in the path), key_of (whose key and
# secret, else the first account's), token
sub client {
    my ($self, %o) = @_;
    my $named = $o{account};
    my $account = $self->{accounts}{ $o{key_of} // $named // 'main' } // croak 'no such account in this test';
    my $path = "/company/$self->{slug}"
        . (defined $named ? '/account/' . ($o{account_as} // $self->{accounts}{$named}{id}) : '')
        . '/flows/endpoint' . (defined $o{flow} ? "/$o{flow}" : '');
    return Wflows::Client->new(url => $self->{stack}->httpd->url($path), public_key => $account->{public_key},
        app_secret => $account->{app_secret}, token => $o{token}, data_api => $o{data_api} // '3.0');
}

# Sessions of the company as PostgreSQL has them, oldest first; with a token only that one.
sub sessions {
    my ($self, $token) = @_;
    require Digest::SHA;
    my $rows = $self->{stack}->dbh->selectall_arrayref(
        q{SELECT id, account_id, flow_name, flow_version, status, step, screen, record::text AS record, encode(token_hash, 'hex') AS token
          FROM wflows.flow_sessions WHERE company_id = ? ORDER BY started_at, id}, { Slice => {} }, $self->{id});
    return $rows unless defined $token;
    my $hash = Digest::SHA::sha256_hex($token);
    return [grep { $_->{token} eq $hash } @$rows];
}

sub responses {
    my ($self) = @_;
    return $self->{stack}->dbh->selectall_arrayref(
        q{SELECT session_id, flow_name, source, response::text AS response FROM wflows.flow_responses
          WHERE company_id = ? ORDER BY created_at, id}, { Slice => {} }, $self->{id});
}

1;
