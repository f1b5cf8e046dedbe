//! Records as refire tokenises them, one JSON object a line: refire's side of
//! `benches/peers/rows/peer.py`.

use clap::Parser;
use refire::burn::tensor::Device;
use refire::core::BoxError;
use refire::model::Pretrained;
use refire_data::{
    EncodeConfig, Learn, ReadConfig, Reader, Record, encode_preferences, encode_rows,
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    model: PathBuf,
    #[arg(long)]
    data: PathBuf,
    /// Judged answers, and no rows.
    #[arg(long)]
    preferences: bool,
    /// As TRL: all of a chat is learned.
    #[arg(long)]
    everything: bool,
}

fn main() -> Result<(), BoxError> {
    let args = Args::parse();
    let model = Pretrained::open(&args.model, &Device::flex())?;
    let reader = Reader::open(&[&args.data], ReadConfig::default())?;
    let records = reader.collect::<Result<Vec<Record>, _>>()?;
    let learn = if args.everything { Learn::Everything } else { Learn::Reply };
    let config = EncodeConfig { learn, ..EncodeConfig::default() };
    let encoder = model.encoder();
    if args.preferences {
        for pair in encode_preferences(&records, &encoder, &config)?.items {
            println!("{}", json!({"prompt": pair.prompt, "completions": pair.completions}));
        }
    } else {
        for row in encode_rows(&records, &encoder, &config)?.items {
            println!("{}", json!({"tokens": row.tokens, "mask": row.loss_mask}));
        }
    }
    Ok(())
}
