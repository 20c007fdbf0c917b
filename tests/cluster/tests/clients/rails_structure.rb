# Writes structure.sql as Rails does, and prints whether it has the extension, its tables, and those of the application.
require "active_record"

module Rails
  def self.root = Dir.pwd
end

ActiveRecord::Base.establish_connection(adapter: "postgresql", database: ENV["PGDATABASE"])
configuration = ActiveRecord::DatabaseConfigurations::HashConfig.new(
  "test", "primary", { adapter: "postgresql", database: ENV["PGDATABASE"], encoding: "utf8" }
)
ActiveRecord::Tasks::PostgreSQLDatabaseTasks.new(configuration).structure_dump(ARGV[0], nil)
structure = File.read(ARGV[0])
puts ["CREATE EXTENSION IF NOT EXISTS token_auth", "CREATE TABLE token_auth.", "CREATE TABLE public.message"]
  .map { |text| structure.include?(text) }.join(" ")
