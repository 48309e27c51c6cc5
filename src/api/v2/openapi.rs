//! What `/api/v2` takes and answers, made of the handlers and their types.

use utoipa::OpenApi;

use super::{
    audit, call_events, calls, dids, events, extensions, numbers, opt_outs, problem, recordings,
    scans, schedules, sms, stop, tree,
};

/// The description; what all operations have in common is added where both versions are joined.
#[derive(OpenApi)]
#[openapi(
    paths(
        super::healthz,
        audit::list,
        call_events::events,
        calls::list,
        calls::dial,
        calls::show,
        dids::list,
        dids::show,
        dids::change,
        dids::remove,
        dids::buy,
        dids::offers,
        events::events,
        extensions::list,
        extensions::show,
        extensions::create,
        extensions::change,
        extensions::remove,
        numbers::list,
        numbers::show,
        numbers::difference,
        opt_outs::list,
        opt_outs::add,
        opt_outs::remove,
        recordings::of_call,
        recordings::of_prompt,
        scans::list,
        scans::show,
        scans::ask,
        schedules::list,
        schedules::show,
        schedules::create,
        schedules::change,
        schedules::remove,
        sms::list,
        sms::send,
        sms::show,
        sms::receipt,
        sms::incoming,
        stop::show,
        stop::stop,
        stop::resume,
        stop::resume_by_post,
        tree::of_number,
        tree::of_scan,
    ),
    components(schemas(problem::ProblemBody))
)]
pub(in crate::api) struct Description;
