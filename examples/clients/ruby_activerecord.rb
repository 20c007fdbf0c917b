require "active_record"

ActiveRecord::Base.establish_connection(adapter: "postgresql", database: ENV["PGDATABASE"])
secret = ENV.fetch("SECRET")

def bind(value, type = ActiveRecord::Type::String.new)
  ActiveRecord::Relation::QueryAttribute.new("", value, type)
end

def row(sql, *binds)
  ActiveRecord::Base.connection.exec_query(sql, "SQL", binds).first
end

verify = "SELECT code, metadata ->> 'plan' AS plan FROM token_auth.verify_token($1, 'email:read', $2)"
token = row(verify, bind(secret), bind("acme.example"))
puts "#{token["code"]} #{token["plan"]}"

create = "SELECT name FROM token_auth.create_token($1, 'made', $2, all_domains => true, metadata => $3)"
puts row(create, bind(1, ActiveRecord::Type::BigInteger.new), bind("{email:read}"), bind({ plan: "free" }.to_json))["name"]

class Message < ActiveRecord::Base
  self.table_name = "message"
end

ActiveRecord::Base.transaction do
  code = row("SELECT code FROM token_auth.authenticate($1)", bind(secret))["code"]
  # Without the query cache: it would answer one token with the rows of another.
  puts "#{code} #{Message.uncached { Message.count }}"
end

begin
  id = ActiveRecord::Type::BigInteger.new
  row("SELECT token_auth.pause_token($1, account_id => $2)", bind(1, id), bind(nil, id))
rescue ActiveRecord::StatementInvalid => error
  result = error.cause.result
  puts "#{result.error_field(PG::PG_DIAG_SQLSTATE)} #{result.error_field(PG::PG_DIAG_CONSTRAINT_NAME)}"
end
