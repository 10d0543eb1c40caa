package Wflows::Stack;

# PostgreSQL, Redis, httpd and wflowsctl set up together in one folder: what the demo keeps running and
# every end-to-end test starts for itself.
#
#   dir/pg  dir/redis  dir/httpd      each server's own
#   dir/secrets                       passwords, master key: 0600
#   dir/httpd/wflows.conf             the Wflows* server directives; wflowsctl reads the same file
#   dir/ctl.conf                      it, and the owner's connection, which httpd never gets

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use File::Path qw(make_path);
use Wflows::Httpd;
use Wflows::Postgres;
use Wflows::Process qw(read_file run write_file);
use Wflows::Redis;

my $json = Cpanel::JSON::XS->new->utf8->canonical;

# dir, build (the built tree), modules_dir, keep, port, pg_port, redis_port, plus pg, redis and httpd: options for those
sub new {
    my ($class, %o) = @_;
    my $self = bless { src => $ENV{WF_SRCDIR} // '.', build => $ENV{WF_BUILDDIR}, %o }, $class;
    my $keep = $self->{keep};

    make_path($self->{dir}, { mode => 0755 });
    chmod 0755, $self->{dir};
    make_path("$self->{dir}/secrets", { mode => 0700 });
    $self->{ctl} //= "$self->{build}/wflowsctl";
    $self->{pg} = Wflows::Postgres->new(dir => "$self->{dir}/pg", keep => $keep, port => $self->{pg_port},
        password => $self->secret('pg-superuser'), %{ $self->{pg} // {} });
    $self->{redis} = Wflows::Redis->new(dir => "$self->{dir}/redis", keep => $keep, port => $self->{redis_port},
        password => $self->secret('redis'), %{ $self->{redis} // {} });
    $self->{httpd} = Wflows::Httpd->new(dir => "$self->{dir}/httpd", keep => $keep, port => $self->{port},
        modules_dir => $self->{modules_dir} // "$self->{build}/.libs", %{ $self->{httpd} // {} });
    return $self;
}

sub pg { return $_[0]{pg} }
sub redis { return $_[0]{redis} }
sub httpd { return $_[0]{httpd} }

# A random secret of that name, made at the first call and kept in dir/secrets.
sub secret {
    my ($self, $name, $bytes) = @_;
    my $file = "$self->{dir}/secrets/$name";
    return read_file($file) if -e $file;
    open(my $random, '<:raw', '/dev/urandom') or croak "/dev/urandom: $!";
    read($random, my $raw, $bytes // 24) or croak "/dev/urandom: $!";
    write_file($file, unpack('H*', $raw), 0600);
    return read_file($file);
}

sub secret_file {
    my ($self, $name, $text) = @_;
    return write_file("$self->{dir}/secrets/$name", $text, 0600);
}

# The database, its owner and the run-time role, with passwords; harmless when they are there.
sub create_database {
    my ($self) = @_;
    my $dbh = $self->pg->dbh('postgres', $self->secret('pg-superuser'), 'postgres');
    my $exists = sub { return $dbh->selectrow_array($_[0], undef, $_[1]) };
    for my $role (['wflows_owner', 'LOGIN CREATEROLE'], ['wflows_app', 'LOGIN NOINHERIT']) {
        my ($name, $attributes) = @$role;
        my $password = $dbh->quote($self->secret("pg-$name"));
        $dbh->do("CREATE ROLE $name $attributes PASSWORD $password")
            unless $exists->('SELECT 1 FROM pg_roles WHERE rolname = ?', $name);
    }
    $dbh->do('CREATE DATABASE wflows OWNER wflows_owner')
        unless $exists->('SELECT 1 FROM pg_database WHERE datname = ?', 'wflows');
    $dbh->disconnect;
    return $self;
}

# What tokens of the API are signed with (Wflows::Api makes them).
use constant JWT_KID => 't1';
sub jwt_secret { my ($self) = @_; return $self->secret('jwt-' . JWT_KID, 32) }

# Server directives, and what only wflowsctl gets.
sub write_conf {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $master = "$dir/secrets/master-k1";

    if (!-e $master) {
        my $made = $self->ctl_raw(['master-key', 'new']);
        croak "wflowsctl master-key new: $made->{err}" if $made->{rc} != 0;
        my ($key) = $made->{out} =~ m{^([A-Za-z0-9+/]{43}=)\s*$}m
            or croak "wflowsctl master-key new printed no key: $made->{out}";
        write_file($master, "$key\n", 0600);
    }
    $self->secret_file('db', $self->pg->conninfo('wflows_app', $self->secret('pg-wflows_app'), 'wflows') . "\n");
    $self->secret_file('db-owner', $self->pg->conninfo('wflows_owner', $self->secret('pg-wflows_owner'), 'wflows') . "\n");
    $self->secret_file('redis-url', $self->redis->local_url . "\n");
    $self->jwt_secret;
    make_path("$dir/httpd");
    write_file("$dir/httpd/wflows.conf", <<"CONF" . ($self->{server_directives} // ''));
WflowsDB file:$dir/secrets/db
WflowsRedis file:$dir/secrets/redis-url
WflowsKey k1 file:$master
WflowsAuthJwtKey @{[JWT_KID]} file:$dir/secrets/jwt-@{[JWT_KID]}
CONF
    write_file("$dir/ctl.conf", "Include $dir/httpd/wflows.conf\nWflowsDBOwner file:$dir/secrets/db-owner\n", 0600);
    $self->httpd->{global} = "Include $dir/httpd/wflows.conf";
    return $self;
}

# Everything but httpd, migrated.
sub start_stores {
    my ($self) = @_;
    $self->pg->start;
    $self->redis->start;
    $self->create_database;
    $self->write_conf;
    $self->ctl('migrate');
    return $self;
}

sub start {
    my ($self) = @_;
    $self->start_stores;
    $self->httpd->start;
    return $self;
}

sub stop {
    my ($self) = @_;
    return $self->httpd->stop & $self->redis->stop & $self->pg->stop;
}

# ---- wflowsctl ----------------------------------------------------------------------------------------

# Runs it; { rc, out, err }. Options: stdin, env, timeout.
sub ctl_raw {
    my ($self, $args, %o) = @_;
    return run(command => [$self->{ctl}, @$args], cwd => $self->{src}, %o,
        env => { WFLOWSCTL_CONFIG => "$self->{dir}/ctl.conf", WFLOWS_SCHEMA => "$self->{src}/schema", %{ $o{env} // {} } });
}

# Runs it with --json and returns the document. Secrets go in through the environment: an argument
# { name => value } at the end becomes "--name env:WF_ARG_<n>".
sub ctl {
    my ($self, @args) = @_;
    my $secrets = ref $args[-1] eq 'HASH' ? pop @args : {};
    my (%env, $n);
    for my $name (sort keys %$secrets) {
        next unless defined $secrets->{$name};
        my $variable = 'WF_ARG_' . ++$n;
        $env{$variable} = $secrets->{$name};
        push @args, "--$name", "env:$variable";
    }
    my $r = $self->ctl_raw([@args, '--json'], env => \%env);
    croak "wflowsctl @args: exit $r->{rc}\n$r->{out}$r->{err}" if $r->{rc} != 0;
    return $r->{out} =~ /\S/ ? $json->decode($r->{out}) : undef;
}

# ---- looking inside ------------------------------------------------------------------------------------

# As the owner of the schema, who sees the rows of all companies.
sub dbh {
    my ($self) = @_;
    return $self->pg->dbh('wflows_owner', $self->secret('pg-wflows_owner'), 'wflows');
}

1;
